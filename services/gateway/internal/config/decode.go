package config

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder turns YAML nodes into values. Unlike the YAML library, it refuses unknown
// keys, goes on after a mistake, says what to write instead, and remembers lines.
type decoder struct {
	file     string
	mistakes []Mistake
	lines    map[string]int  // by the path of a value: "routes[3].split[0].percent"
	unread   map[string]bool // paths of values that could not be read
}

func (d *decoder) add(line int, format string, arguments ...any) {
	d.mistakes = append(d.mistakes, Mistake{d.file, max(line, 1), fmt.Sprintf(format, arguments...)})
}

// addAt adds a mistake at the line of a value, or of the nearest value around it if the
// value is not in the file. A value that could not be read has its mistake already.
func (d *decoder) addAt(path, format string, arguments ...any) {
	if d.unread[path] {
		return
	}
	for at := path; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if line := d.lines[at]; line > 0 {
			d.add(line, format, arguments...)
			return
		}
	}
	d.add(1, format, arguments...)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
)

// decode fills the value that into points to. A null leaves the value as it is.
func (d *decoder) decode(n *yaml.Node, into any, path string) {
	d.value(n, reflect.ValueOf(into).Elem(), path)
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	line := n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.lines[path] = line
	if n.Tag == "!!null" {
		return
	}
	switch kind := v.Kind(); {
	case kind == reflect.Pointer:
		filled := reflect.New(v.Type().Elem())
		d.value(n, filled.Elem(), path)
		v.Set(filled)
	case kind == reflect.Struct && v.Type() != prefixType:
		d.object(n, v, path)
	case kind == reflect.Map:
		d.table(n, v, path)
	case kind == reflect.Slice:
		d.list(n, v, path)
	default:
		if wanted := setScalar(n, v); wanted != "" {
			d.unread[path] = true
			d.add(line, "%s is %s: write %s", name(path), describe(n), wanted)
		}
	}
}

// object fills a struct by the names in the tags of its fields.
func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("yaml")] = v.Field(i)
	}
	for key, value := range d.members(n, path) {
		field, known := fields[key.Value]
		if !known {
			d.add(key.Line, "%s has no key %q: it may have %s", name(path), key.Value, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			continue
		}
		d.value(value, field, join(path, key.Value))
	}
}

// table fills a map. The keys that it already has keep the members that the file does
// not give.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	filled := reflect.MakeMap(v.Type())
	for it := v.MapRange(); it.Next(); {
		filled.SetMapIndex(it.Key(), it.Value())
	}
	for key, value := range d.members(n, path) {
		element := reflect.New(v.Type().Elem()).Elem()
		if present := filled.MapIndex(reflect.ValueOf(key.Value)); present.IsValid() {
			element.Set(present)
		}
		d.value(value, element, join(path, key.Value))
		filled.SetMapIndex(reflect.ValueOf(key.Value), element)
	}
	v.Set(filled)
}

// members returns a function that yields the keys and values of a mapping. A key that
// comes twice is a mistake and is yielded once.
func (d *decoder) members(n *yaml.Node, path string) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			d.add(n.Line, "%s is %s: write keys and values, such as \"routes:\"", name(path), describe(n))
			return
		}
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if line, twice := first[key.Value]; twice {
				d.add(key.Line, "%s has the key %q twice, first in line %d: remove one", name(path), key.Value, line)
				continue
			}
			first[key.Value] = key.Line
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.add(n.Line, "%s is %s: write a list, such as [a, b]", name(path), describe(n))
		return
	}
	filled := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		d.value(element, filled.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
	v.Set(filled)
}

// setScalar sets a value, or returns what to write instead.
func setScalar(n *yaml.Node, v reflect.Value) string {
	if n.Kind != yaml.ScalarNode {
		return "one value"
	}
	switch kind := v.Kind(); {
	case v.Type() == durationType:
		return setDuration(n.Value, v)
	case v.Type() == prefixType:
		return setPrefix(n.Value, v)
	case kind == reflect.String:
		v.SetString(n.Value)
	case kind == reflect.Bool:
		if n.Tag != "!!bool" {
			return "true or false"
		}
		v.SetBool(n.Value == "true" || n.Value == "True" || n.Value == "TRUE")
	case kind == reflect.Float64:
		number, err := strconv.ParseFloat(n.Value, 64)
		if err != nil {
			return "a number, such as 0.5"
		}
		v.SetFloat(number)
	default:
		number, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil {
			return "a whole number"
		}
		v.SetInt(number)
	}
	return ""
}

func setDuration(text string, v reflect.Value) string {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return "a time with its unit, such as 500ms, 5s or 1m30s"
	}
	v.SetInt(int64(duration))
	return ""
}

func setPrefix(text string, v reflect.Value) string {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return "a network, such as 10.0.0.0/8, or 10.0.0.7/32 for one address"
	}
	v.Set(reflect.ValueOf(prefix))
	return ""
}

// describe returns what a node is, for a sentence.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}

// name returns the path of a value for a sentence.
func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
