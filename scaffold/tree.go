// Package scaffold changes the source tree of a system: it adds services, events and
// handlers, each with its tests and with its entry in every list that names it. The
// result is ordinary code, which belongs to its author from then on.
package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Tree is a source tree with changes that are not yet written.
type Tree struct {
	dir     string
	module  string            // "troupe"
	changed map[string][]byte // by path
	removed []string          // files and folders
}

var moduleLine = regexp.MustCompile(`(?m)^module (\S+)$`)

// Open returns the source tree at dir, the folder with the system's go.mod.
func Open(dir string) (*Tree, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("%w: run this in the root of the source tree, or name it with --dir", err)
	}
	m := moduleLine.FindSubmatch(mod)
	if m == nil {
		return nil, fmt.Errorf("%s/go.mod has no module line", dir)
	}
	t := &Tree{dir: dir, module: string(m[1]), changed: map[string][]byte{}}
	if _, err := t.read(registryFile); err != nil {
		return nil, fmt.Errorf("%w: run this in the root of the source tree, or name it with --dir", err)
	}
	return t, nil
}

// read returns a file as it will be after Write.
func (t *Tree) read(name string) ([]byte, error) {
	if content, ok := t.changed[name]; ok {
		return content, nil
	}
	return os.ReadFile(filepath.Join(t.dir, name))
}

func (t *Tree) exists(name string) bool {
	if _, ok := t.changed[name]; ok {
		return true
	}
	_, err := os.Stat(filepath.Join(t.dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// list returns the Go files of a folder as they will be after Write.
func (t *Tree) list(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(t.dir, folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		names = append(names, folder+"/"+filepath.Base(file))
	}
	for name := range t.changed {
		if path.Dir(name) == folder && strings.HasSuffix(name, ".go") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// create adds a file. It is an error if there is one already.
func (t *Tree) create(name string, content []byte) error {
	if t.exists(name) {
		return fmt.Errorf("%s exists already: choose another name", name)
	}
	return t.replace(name, content)
}

// replace sets the content of a file. Go files are formatted.
func (t *Tree) replace(name string, content []byte) error {
	if strings.HasSuffix(name, ".go") {
		formatted, err := format.Source(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		content = formatted
	}
	t.changed[name] = content
	return nil
}

// edit replaces the content of a file by what change returns. It is an error if that
// changes nothing: the file has another form than this package expects.
func (t *Tree) edit(name string, change func(string) string) error {
	before, err := t.read(name)
	if err != nil {
		return err
	}
	after := []byte(change(string(before)))
	if bytes.Equal(before, after) {
		return fmt.Errorf("%s has another form than expected: it cannot be changed automatically; add the entry by hand", name)
	}
	return t.replace(name, after)
}

// Write writes all changes and returns the paths of the files, sorted.
func (t *Tree) Write() ([]string, error) {
	for _, name := range t.removed {
		if err := os.RemoveAll(filepath.Join(t.dir, name)); err != nil {
			return nil, err
		}
	}
	names := slices.Sorted(maps.Keys(t.changed))
	for _, name := range names {
		file := filepath.Join(t.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // source code, as git checks it out
			return nil, err
		}
		if err := os.WriteFile(file, t.changed[name], 0o644); err != nil { //nolint:gosec // source code, as git checks it out
			return nil, err
		}
	}
	return names, nil
}
