package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// What a body may have at most, besides the lengths in its schema. Beyond them it is
// refused before anything is built from it: a tree of values takes up to 60 times the
// memory of their text, and huma describes every mistake, however many there are.
const (
	maxValues  = 2000 // unless the operation has BodyValues
	maxDepth   = 32
	maxFields  = 100 // of a form
	maxUnknown = maxErrors
)

// checkBounds returns the body with its integers written as such, or a problem if a JSON
// body is nested deeper than any operation needs, or has a list that is longer than its
// schema allows, more unknown members than a problem lists, more values than most, or text that breaks the rule of package plaintext. It allocates little. Other text
// that is not JSON is left to decode, which reports what is wrong.
func (a *API) checkBounds(ctx context.Context, body []byte, schema *huma.Schema, most int) ([]byte, *problem) {
	if schema == nil {
		return body, nil
	}
	if nestedTooDeep(body) {
		deep := &huma.ErrorDetail{Location: "body", Message: fmt.Sprintf("it is nested more than %d deep", maxDepth)}
		return nil, validationProblem(ctx, &huma.ErrorModel{Status: http.StatusBadRequest, Errors: []*huma.ErrorDetail{deep}})
	}
	if !json.Valid(body) {
		return body, nil
	}
	b := bounds{text: body, most: most, schemas: a.huma.OpenAPI().Components.Schemas, path: huma.NewPathBuffer(make([]byte, 0, 64), 0)}
	b.path.Push("body")
	b.value(schema)
	if b.exceeded == nil {
		b.exceeded = b.texts
	}
	if b.exceeded == nil {
		return b.edited(), nil
	}
	return nil, validationProblem(ctx, &huma.ErrorModel{Status: http.StatusUnprocessableEntity, Errors: b.exceeded})
}

// nestedTooDeep reports whether the text, if it is JSON, is nested more than maxDepth deep.
func nestedTooDeep(text []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case inString:
		case c == '[', c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return false
}

// bounds walks along the text of valid JSON and its schema.
type bounds struct {
	text    []byte
	at      int // the place in text
	most    int // values
	schemas huma.Registry
	path    *huma.PathBuffer

	values   int
	unknown  []*huma.ErrorDetail // the unknown members so far
	texts    []*huma.ErrorDetail // the strings so far that break their rule
	edits    []edit
	exceeded []*huma.ErrorDetail // why the body is refused; the walk ends when it is set
}

func (b *bounds) refuse(format string, args ...any) {
	b.exceeded = []*huma.ErrorDetail{{Location: b.path.String(), Message: fmt.Sprintf(format, args...)}}
}

// value walks over a value with that schema, nil for one without.
func (b *bounds) value(s *huma.Schema) {
	for s != nil && s.Ref != "" {
		s = b.schemas.SchemaFromRef(s.Ref)
	}
	if b.values++; b.values > b.most {
		b.refuse("the body has more than %d values", b.most)
		return
	}
	switch b.skipSpace(); b.text[b.at] {
	case '[':
		b.list(s)
	case '{':
		b.object(s)
	case '"':
		began := b.at
		b.skipString()
		b.checkString(s, b.text[began:b.at])
	default:
		began := b.at
		b.skipScalar()
		if s != nil && s.Type == huma.TypeInteger && bytes.ContainsAny(b.text[began:b.at], ".eE") {
			b.rewriteInteger(began, b.at)
		}
	}
}

func (b *bounds) list(s *huma.Schema) {
	var items *huma.Schema
	if s != nil && s.Type == huma.TypeArray {
		if items = s.Items; s.MaxItems != nil && b.length() > *s.MaxItems {
			b.refuse(validation.MsgExpectedMaxItems, *s.MaxItems)
			return
		}
	}
	for i := 0; b.next(']'); i++ {
		b.path.PushIndex(i)
		if b.value(items); b.exceeded != nil {
			return
		}
		b.path.Pop()
	}
}

func (b *bounds) object(s *huma.Schema) {
	for b.next('}') {
		name := b.name()
		b.skipSpace()
		b.at++ // the colon
		b.path.Push(name)
		if b.value(b.member(s, name)); b.exceeded != nil {
			return
		}
		b.path.Pop()
	}
}

// member returns the schema of an object's member, nil if it has none, and counts it if
// the object must not have it.
func (b *bounds) member(s *huma.Schema, name string) *huma.Schema {
	if s == nil || s.Type != huma.TypeObject {
		return nil
	}
	if property, known := s.Properties[name]; known {
		return property
	}
	if s.AdditionalProperties == false {
		b.unknown = append(b.unknown, &huma.ErrorDetail{Location: b.path.String(), Message: validation.MsgUnexpectedProperty})
		if len(b.unknown) > maxUnknown {
			b.exceeded = b.unknown
		}
	}
	values, _ := s.AdditionalProperties.(*huma.Schema)
	return values
}

// length returns the number of items of the list that begins here.
func (b *bounds) length() (n int) {
	began := b.at
	for b.next(']') {
		b.skipValue()
		n++
	}
	b.at = began
	return n
}

// next moves from the beginning of a list or an object, or from the end of an element,
// to the next element, and reports whether there is one. If not, it moves behind the end.
func (b *bounds) next(end byte) bool {
	b.skipSpace()
	if b.text[b.at] != end {
		b.at++ // the bracket at the beginning, or a comma
		b.skipSpace()
	}
	if b.text[b.at] == end {
		b.at++
		return false
	}
	return true
}

// name moves behind the name of a member and returns it.
func (b *bounds) name() string {
	began := b.at
	b.skipString()
	return unquote(b.text[began:b.at])
}

func (b *bounds) skipSpace() {
	for b.at < len(b.text) && (b.text[b.at] == ' ' || b.text[b.at] == '\t' || b.text[b.at] == '\r' || b.text[b.at] == '\n') {
		b.at++
	}
}

func (b *bounds) skipString() {
	for b.at++; b.text[b.at] != '"'; b.at++ {
		if b.text[b.at] == '\\' {
			b.at++
		}
	}
	b.at++
}

// skipScalar moves behind a string, a number, true, false or null.
func (b *bounds) skipScalar() {
	if b.text[b.at] == '"' {
		b.skipString()
		return
	}
	for b.at < len(b.text) {
		switch b.text[b.at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
		b.at++
	}
}

// skipValue moves behind a value of any kind, without recursion.
func (b *bounds) skipValue() {
	for depth := 0; ; {
		b.skipSpace()
		switch b.text[b.at] {
		case '[', '{':
			depth++
			b.at++
		case ']', '}':
			depth--
			b.at++
		case ',', ':':
			b.at++
		default:
			b.skipScalar()
		}
		if depth == 0 {
			return
		}
	}
}

// requireLengths panics if the operation's body may have a list of any length.
func requireLengths(op *huma.Operation, schemas huma.Registry, s *huma.Schema, seen ...string) {
	switch {
	case s == nil || slices.Contains(seen, s.Ref) && s.Ref != "":
	case s.Ref != "":
		requireLengths(op, schemas, schemas.SchemaFromRef(s.Ref), append(seen, s.Ref)...)
	case s.Type == huma.TypeArray && s.MaxItems == nil && s.ContentEncoding == "":
		panic("httpapi: the body of " + op.Method + " " + op.Path + " has a list without maxItems")
	default:
		requireLengths(op, schemas, s.Items, seen...)
		for _, property := range s.Properties {
			requireLengths(op, schemas, property, seen...)
		}
	}
}
