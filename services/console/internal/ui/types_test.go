package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
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

// The pages read only what the API writes: each member of their types is one of the API's.
// The API may have gained members that no page shows.
func TestThePagesReadWhatTheAPIWrites(t *testing.T) {
	t.Parallel()
	inGo, inScript := membersInGo(t), membersInScript(t)
	require.Greater(t, len(inScript), 20)
	for name, members := range inScript {
		require.Contains(t, inGo, name, "type of src/view.ts that view.go does not have")
		require.Subset(t, inGo[name], members, "members of %s in src/view.ts that view.go does not have", name)
	}
}
