package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Default is the file that is used if no other is given.
//
//go:embed default.yaml
var Default []byte

// Schema is the JSON Schema (2020-12) of the file, for editors.
//
//go:embed schema.json
var Schema []byte

// Mistake is one mistake in a file.
type Mistake struct {
	File     string
	Line     int
	Sentence string // says what to do
}

func (m Mistake) Error() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Sentence) }

// Parse reads a file. Routes may lead to the given services and to the upstreams that
// have targets. The error holds every Mistake, in the order of their lines.
func Parse(file string, text []byte, services []string) (*Config, error) {
	d := &decoder{file: file, lines: map[string]int{}, unread: map[string]bool{}}
	root := d.document(text)
	if len(d.mistakes) > 0 {
		return nil, d.err()
	}
	base, err := d.base(root, text, services)
	if err != nil {
		return nil, err
	}
	c := &Config{Upstreams: base.Upstreams, Limits: base.Limits}
	d.decode(root, c, "")
	d.check(c, services)
	if len(d.mistakes) == 0 {
		inherited := d.inherit(base.Routes, c.Routes)
		d.checkConflicts(c.Routes, inherited)
		c.Routes = append(c.Routes, inherited...)
	}
	return c, d.err()
}

// document returns the root of the only document of a file.
func (d *decoder) document(text []byte) *yaml.Node {
	var document, second yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		d.syntaxError(err)
		return nil
	}
	if document.Kind == 0 || len(document.Content) == 0 {
		d.add(1, `the file is empty: write "extends: default", or routes`)
		return nil
	}
	switch err := in.Decode(&second); {
	case err == nil:
		d.add(second.Line, "a second document begins here: a file has one; remove the line ---")
	case !errors.Is(err, io.EOF):
		d.syntaxError(err)
	}
	return document.Content[0]
}

// syntaxError adds an error of the YAML library, whose text begins with the line.
func (d *decoder) syntaxError(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	d.add(line, "this is not YAML: %s", text)
}

// base returns the configuration that the file extends; it is empty if the file stands
// alone.
func (d *decoder) base(root *yaml.Node, text []byte, services []string) (*Config, error) {
	if bytes.Equal(text, Default) || !extends(root) {
		return &Config{}, nil
	}
	return Parse("default.yaml", Default, services)
}

func extends(root *yaml.Node) bool {
	var c struct {
		Extends yaml.Node `yaml:"extends"`
	}
	return root.Decode(&c) == nil && c.Extends.Value == extendsDefault
}

// inherit returns the routes of the base without those that the file replaces, which are
// those with the same path and method.
func (d *decoder) inherit(base, own []Route) []Route {
	replaced := map[string]bool{}
	for _, r := range own {
		for _, method := range r.AllMethods() {
			replaced[method+" "+Shape(r.Path)] = true
		}
	}
	var inherited []Route
	for _, r := range base {
		r.Methods = slices.DeleteFunc(slices.Clone(r.AllMethods()), func(method string) bool {
			return replaced[method+" "+Shape(r.Path)]
		})
		if len(r.Methods) > 0 {
			inherited = append(inherited, r)
		}
	}
	return inherited
}

// err returns the mistakes as one error, nil if there are none.
func (d *decoder) err() error {
	slices.SortStableFunc(d.mistakes, func(a, b Mistake) int { return a.Line - b.Line })
	var errs []error
	for _, m := range d.mistakes {
		errs = append(errs, m)
	}
	return errors.Join(errs...)
}

// UpstreamNames returns the names of the upstreams that the routes lead to, sorted.
func (c *Config) UpstreamNames() []string {
	names := map[string]bool{}
	for _, r := range c.Routes {
		for _, name := range r.Compose.upstreams() {
			names[name] = true
		}
		if r.Upstream != "" {
			names[r.Upstream] = true
		}
		for _, s := range r.Split {
			names[s.Upstream] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// upstreams returns the names of the services that a composition asks.
func (c Composition) upstreams() []string {
	switch c {
	case Overview:
		return []string{"users", "orders", "payments", "notifications"}
	case Order:
		return []string{"payments", "notifications"}
	}
	return nil
}
