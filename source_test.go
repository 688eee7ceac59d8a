package troupe

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// source is a parsed Go file.
type source struct {
	name string // "services/orders/api.go"
	dir  string // "services/orders", "" for the root
	test bool   // a _test.go file
	file *ast.File
	set  *token.FileSet
}

// line returns where a node of s is: "services/orders/api.go:12".
func (s source) line(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.set.Position(n.Pos()).Line)
}

// parseTree parses all Go files. It does not ask the go command, so that the test cache
// notices every file that was read.
func parseTree(tree fs.FS) ([]source, error) {
	var all []source
	files := token.NewFileSet()
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && name != "." || name == "tools" || entry.Name() == "testdata"):
			return fs.SkipDir // tools is a module of its own
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(files, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := strings.TrimPrefix(path.Dir(name), ".")
		all = append(all, source{name: name, dir: dir, test: strings.HasSuffix(name, "_test.go"), file: file, set: files})
		return nil
	})
	return all, err
}

// imports returns the paths that s imports, without the module for packages of ours.
func (s source) imports() (ours, others []string) {
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it, so this cannot be
		}
		if local, ok := strings.CutPrefix(imported, module); ok {
			ours = append(ours, local)
		} else {
			others = append(others, imported)
		}
	}
	return ours, others
}

func top(dir string) string { first, _, _ := strings.Cut(dir, "/"); return first }

// isTestHelper reports whether a package exists only for tests.
func isTestHelper(dir string) bool {
	return strings.HasSuffix(dir, "test") && dir != "test" || dir == "patterns/bus/sim"
}

// product reports whether s is part of what users run.
func (s source) product() bool {
	return !s.test && !isTestHelper(s.dir) && top(s.dir) != "test" && !slices.Contains(testPrograms, s.dir)
}
