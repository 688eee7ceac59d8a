package crashpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/crashpoint"
)

func TestNamesSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	seen := map[crashpoint.Point]bool{}
	for _, p := range crashpoint.All {
		require.Regexp(t, `^[a-z]+: [^#]+$`, string(p))
		require.False(t, seen[p], "%s is listed twice", p)
		seen[p] = true
	}
}

// Every constant is in All, and marks exactly one place of the code.
func TestEveryPointIsSomewhere(t *testing.T) {
	t.Parallel()
	declared := constants(t, "crashpoint.go")
	require.ElementsMatch(t, crashpoint.All, slices.Collect(maps.Values(declared)))
	marks := map[string]int{}
	for _, layer := range []string{"../../patterns", "../../services"} {
		require.NoError(t, filepath.WalkDir(layer, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				count(t, name, marks)
			}
			return err
		}))
	}
	for name := range declared {
		require.Equal(t, 1, marks[name], "places marked with crashpoint.%s", name)
	}
	require.Len(t, marks, len(declared))
}

// constants are the points a file declares, by their Go names.
func constants(t *testing.T, name string) map[string]crashpoint.Point {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	require.NoError(t, err)
	found := map[string]crashpoint.Point{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			literal := value.Values[0].(*ast.BasicLit).Value
			found[value.Names[0].Name] = crashpoint.Point(strings.Trim(literal, `"`))
		}
	}
	return found
}

// count counts the calls of crashpoint.Here in a file by their argument.
func count(t *testing.T, name string, marks map[string]int) {
	t.Helper()
	source, err := os.ReadFile(name)
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		if callee, ok := call.Fun.(*ast.SelectorExpr); ok && callee.Sel.Name == "Here" {
			if point, ok := call.Args[0].(*ast.SelectorExpr); ok {
				marks[point.Sel.Name]++
			}
		}
		return true
	})
}
