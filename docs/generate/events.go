package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"troupe/events"
)

// eventDoc is one event as its source describes it.
type eventDoc struct {
	eventType, publisher, meaning string
	fields                        [][3]string // name, type, comment
}

const eventsIntro = `# Events

Generated from ` + "`events/`" + ` by ` + "`make generate`" + `. Every event is a CloudEvents 1.0 JSON object in structured
mode; the tables show its ` + "`data`" + `. Delivery is at least once and in any order.
`

func eventsDocument() ([]byte, error) {
	docs, err := readEvents("events")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(eventsIntro)
	b.WriteString("\n| event | published by | consumed by |\n|---|---|---|\n")
	for _, d := range docs {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", d.eventType, strings.ReplaceAll(d.eventType, ".", ""), d.publisher, consumers(d.eventType))
	}
	for _, d := range docs {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", d.eventType, d.meaning)
		for _, f := range d.fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f[0], f[1], f[2])
		}
	}
	return b.Bytes(), nil
}

func consumers(eventType string) string {
	services := slices.Sorted(slices.Values(events.Topology[eventType]))
	if len(services) == 0 {
		return "(none)"
	}
	return strings.Join(services, ", ")
}

func readEvents(dir string) ([]eventDoc, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var docs []eventDoc
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		docs = append(docs, eventsOf(file, strings.TrimSuffix(filepath.Base(name), ".go"))...)
	}
	slices.SortFunc(docs, func(a, b eventDoc) int { return strings.Compare(a.eventType, b.eventType) })
	if len(docs) != len(events.Topology) {
		return nil, fmt.Errorf("found %d events in the source, but the topology lists %d", len(docs), len(events.Topology))
	}
	return docs, nil
}

// eventsOf finds the types with an EventType method in a service's file.
func eventsOf(file *ast.File, publisher string) []eventDoc {
	types := map[string]string{} // Go type -> event type
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "EventType" {
			types[f.Recv.List[0].Type.(*ast.Ident).Name] = returned(f)
		}
	}
	var docs []eventDoc
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		spec := g.Specs[0].(*ast.TypeSpec)
		if eventType, ok := types[spec.Name.Name]; ok {
			docs = append(docs, eventDoc{
				eventType: eventType, publisher: publisher, fields: fieldsOf(spec.Type.(*ast.StructType)),
				meaning: meaningOf(oneLine(g.Doc), spec.Name.Name),
			})
		}
	}
	return docs
}

// meaningOf returns the comment of an event type without the type's name, which it
// begins with: "OrderPaid: ..." or "OrderPaid is ...".
func meaningOf(comment, name string) string {
	comment = strings.TrimPrefix(strings.TrimPrefix(comment, name+": "), name+" is ")
	return sentence(comment)
}

// sentence returns text with a capital letter at its beginning.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// returned is the string literal that an EventType method returns.
func returned(f *ast.FuncDecl) string {
	literal := f.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.BasicLit).Value
	text, err := strconv.Unquote(literal)
	if err != nil {
		return literal
	}
	return text
}

func fieldsOf(s *ast.StructType) [][3]string {
	var fields [][3]string
	for _, f := range s.Fields.List {
		name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
		fields = append(fields, [3]string{name, typeName(f.Type), oneLine(f.Doc, f.Comment)})
	}
	return fields
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.ArrayType:
		return "list of " + typeName(t.Elt)
	case *ast.SelectorExpr:
		return strings.ToLower(t.Sel.Name)
	default:
		return fmt.Sprintf("%T", e)
	}
}
