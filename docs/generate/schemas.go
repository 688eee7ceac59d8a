package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// schemaFolder holds a JSON Schema for each type of event.
const schemaFolder = "events/schemas"

// schemaDialect is the dialect of the schemas.
const schemaDialect = "https://json-schema.org/draft/2020-12/schema"

// member is a member of a JSON object whose members keep their order.
type member struct {
	name  string
	value any
}

// object is a JSON object in the order in which people read it.
type object []member

// MarshalJSON returns the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Fprintf(&b, "%q:%s", m.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// meanings describes the fields that mean the same in every event. A comment on a field
// takes precedence.
var meanings = map[string]string{
	"order_id":    "The id of the order.",
	"user_id":     "The id of the customer's account.",
	"payment_id":  "The id of the payment.",
	"delivery_id": "The id of the message to one recipient over one channel.",
	"session_id":  "The id of the session, which is the claim sid of its access tokens.",
	"sku":         "The stock-keeping unit, by which a product is known.",
	"quantity":    "How many pieces.",
	"total":       "The price of the whole order.",
	"lines":       "The products and how many of each.",
	"email":       "The address of the account.",
	"name":        "The name as people read it.",
	"locale":      "The language of the account, a tag of BCP 47, for example en or de-AT.",
	"version":     "Rises with every change. What has a lower version than what is known is out of date.",
	"kind":        "What the message is about, for example order.paid.",
	"channel":     "How the message travels, for example email.",
	"projection":  "What a service keeps of another service's data.",
	"reason":      "Why, as a code or in words.",
}

// errNoMeaning reports a field of an event that nothing describes.
var errNoMeaning = errors.New("the field has no description: describe it in a comment")

// schemaDocuments returns the schema of each event by the path of its file. It fails if
// one would break the consumers or publishers that rely on the schema that is there.
func schemaDocuments() (map[string][]byte, error) {
	docs, err := readEvents()
	if err != nil {
		return nil, err
	}
	documents := map[string][]byte{}
	var errs []error
	for _, d := range docs {
		path := filepath.Join(schemaFolder, d.eventType+".json")
		fresh, err := schemaOf(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		documents[filepath.ToSlash(path)] = fresh
		kept, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		errs = append(errs, err, breakage(d.eventType, kept, fresh))
	}
	return documents, errors.Join(errs...)
}

// schemaOf returns the schema of an event's payload.
func schemaOf(d eventDoc) ([]byte, error) {
	w := schemaWriter{structs: d.structs}
	root, err := w.properties(d.fields)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.eventType, err)
	}
	example, err := newestGolden("events", d.eventType)
	if err != nil {
		return nil, err
	}
	schema := append(object{
		{"$schema", schemaDialect}, {"title", d.eventType}, {"description", d.meaning},
	}, root...)
	if len(w.defs) > 0 {
		slices.SortFunc(w.defs, func(a, b member) int { return strings.Compare(a.name, b.name) })
		schema = append(schema, member{"$defs", w.defs})
	}
	schema = append(schema, member{"examples", []json.RawMessage{example}})
	return indented(schema)
}

// indented returns a value as JSON that people read.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// newestGolden returns the latest golden file of an event: NAME.json, or the NAME_N.json
// with the greatest N.
func newestGolden(dir, eventType string) ([]byte, error) {
	path := filepath.Join(dir, "testdata", eventType)
	newest := path + ".json"
	for n := 2; ; n++ {
		later := fmt.Sprintf("%s_%d.json", path, n)
		if _, err := os.Stat(later); err != nil {
			break
		}
		newest = later
	}
	content, err := os.ReadFile(newest)
	if err != nil {
		return nil, fmt.Errorf("%w: add an example to events/events_test.go and run: go test ./events -update", err)
	}
	return content, nil
}

// schemaWriter writes the schema of one event.
type schemaWriter struct {
	structs map[string]structDoc
	defs    object
}

// properties returns the members of a schema of an object with the fields.
func (w *schemaWriter) properties(fields []fieldDoc) (object, error) {
	var properties object
	var required []string
	for _, f := range fields {
		property, err := w.field(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		properties = append(properties, member{f.name, property})
		if !f.optional {
			required = append(required, f.name)
		}
	}
	return object{{"type", "object"}, {"properties", properties}, {"required", required}}, nil
}

func (w *schemaWriter) field(f fieldDoc) (object, error) {
	property, err := w.typed(f.expr)
	if err != nil {
		return nil, err
	}
	meaning, err := f.meaning()
	if err != nil {
		return nil, err
	}
	property = append(property, member{"description", meaning})
	for _, keyword := range []string{"format", "pattern"} {
		if value := f.tag.Get(keyword); value != "" {
			property = append(property, member{keyword, value})
		}
	}
	if least := f.tag.Get("minimum"); least != "" {
		n, err := strconv.ParseInt(least, 10, 64)
		if err != nil {
			return nil, err
		}
		property = append(property, member{"minimum", n})
	}
	if known := f.tag.Get("known"); known != "" {
		property = append(property, member{"x-extensible-enum", strings.Split(known, ",")})
	}
	return property, nil
}

// typed returns the keywords for the values of a Go type.
func (w *schemaWriter) typed(e ast.Expr) (object, error) {
	switch t := e.(type) {
	case *ast.ArrayType:
		items, err := w.typed(t.Elt)
		return object{{"type", "array"}, {"items", items}}, err
	case *ast.Ident:
		switch t.Name {
		case "string":
			return object{{"type", "string"}}, nil
		case "int64":
			return object{{"type", "integer"}, {"format", "int64"}}, nil
		case "bool":
			return object{{"type", "boolean"}}, nil
		case "Time":
			return object{{"type", "string"}, {"format", "date-time"}}, nil
		}
		return object{{"$ref", "#/$defs/" + t.Name}}, w.define(t.Name)
	}
	return nil, fmt.Errorf("a payload cannot have a field of the type %T: use string, int64, bool, Time, a struct of package events, or a list of these", e)
}

// define adds the definition of a struct that payloads share, once.
func (w *schemaWriter) define(name string) error {
	if slices.ContainsFunc(w.defs, func(m member) bool { return m.name == name }) {
		return nil
	}
	s, found := w.structs[name]
	if !found {
		return fmt.Errorf("the type %s is not a struct of package events", name)
	}
	w.defs = append(w.defs, member{name, nil}) // before its fields, which may refer to it
	definition, err := w.properties(s.fields)
	for i := range w.defs {
		if w.defs[i].name == name {
			w.defs[i].value = append(object{{"description", s.meaning}}, definition...)
		}
	}
	return err
}

// fieldDoc is a field of a payload as its source describes it.
type fieldDoc struct {
	name, typeName, comment string
	optional                bool // it may be absent
	expr                    ast.Expr
	tag                     reflect.StructTag
}

// meaning returns what the field means, as a sentence.
func (f fieldDoc) meaning() (string, error) {
	text := cmp.Or(f.comment, meanings[f.name])
	if text == "" {
		return "", errNoMeaning
	}
	return strings.TrimSuffix(sentence(text), ".") + ".", nil
}

// structDoc is a struct that payloads contain.
type structDoc struct {
	meaning string
	fields  []fieldDoc
}
