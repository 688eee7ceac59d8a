package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// membersInGo returns the JSON members of each type of package view, those that may be
// absent with a question mark.
func membersInGo(t *testing.T) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../view/view.go", nil, 0)
	require.NoError(t, err)
	all := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		all[spec.Name.Name] = []string{}
		for _, field := range fields.Fields.List {
			if field.Tag == nil {
				continue // an embedded type, which the interface extends
			}
			tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
			name, options, _ := strings.Cut(tag, ",")
			if options == "omitempty" {
				name += "?"
			}
			all[spec.Name.Name] = append(all[spec.Name.Name], name)
		}
		return true
	})
	return all
}

// membersInScript returns the members of each interface of view.ts.
func membersInScript(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("src/view.ts")
	require.NoError(t, err)
	all := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?s)export interface (\w+)[^{]*\{\n(.*?)\n?\}`).FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = []string{}
		for _, member := range regexp.MustCompile(`(?m)^  (\w+\??):`).FindAllStringSubmatch(m[2], -1) {
			all[m[1]] = append(all[m[1]], member[1])
		}
	}
	return all
}

// The pages read the JSON that the API writes: the same types with the same members.
func TestTheTypesOfThePagesAreThoseOfTheAPI(t *testing.T) {
	t.Parallel()
	inGo, inScript := membersInGo(t), membersInScript(t)
	require.Greater(t, len(inGo), 20)
	require.Equal(t, slices.Sorted(maps.Keys(inGo)), slices.Sorted(maps.Keys(inScript)), "types of view.go and of src/view.ts")
	for name, members := range inGo {
		require.Equal(t, members, inScript[name], "members of %s in view.go and in src/view.ts", name)
	}
}
