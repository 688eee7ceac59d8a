package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
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
	fields                        []fieldDoc
	publishers                    []string
	structs                       map[string]structDoc // all that payloads contain, by their names
}

// requested is the file of the event that several services publish.
const requested = "projections"

const eventsIntro = `# Events

Generated from ` + "`events/`" + ` by ` + "`make generate`" + `. Every event is a CloudEvents 1.0 JSON object in structured
mode; the tables show its ` + "`data`" + `. Delivery is at least once and in any order.
A time is RFC 3339 in UTC with six digits after the dot. The gateway
shows all this at ` + "`/docs/events`" + `, with a JSON Schema of each payload (` + "`events/schemas`" + `) and an AsyncAPI 3 document
(` + "`events/asyncapi.json`" + `).

On RabbitMQ several events of one type may share a message to a service (CloudEvents' batched content mode, ` + "`EVENTS_PER_MESSAGE`" + `, ADR 13);
a handler receives single events. An event that no service consumes is published only with ` + "`EVENTS_PUBLIC=true`" + `. Programs that are no services, in
any language, read and publish events as [INTEGRATION.md](INTEGRATION.md) describes.

## Consuming an event once

The inbox records the id of each event in the transaction of its handler, so that a second delivery has no effect. A handler whose own
key shows what it has handled (an upsert under the order's id) needs no such row: ` + "`inbox.Idempotent`" + `. A second delivery then reaches it, at any later
time, and must change and publish nothing; test it with ` + "`servicetest.Twice`" + `. What fails is parked and retried in either case.

## Changing an event

**Add a field.** Within a major version a payload only gains optional fields, because earlier events are still in queues, in
outboxes and among the dead letters, and consumers of an earlier version read events of this one. Consumers ignore members that they do not know.

1. Add the field with ` + "`json:\"channel,omitempty\"`" + ` and a comment, and set it in ` + "`events/events_test.go`" + `.
2. Run ` + "`go test ./events -update`" + `: it writes the next golden file, ` + "`order.paid.v1_2.json`" + `, beside the earlier ones, which stay as
   they are and must remain readable.
3. Run ` + "`make generate`" + `: it writes the schema. If the change is not additive, it writes nothing and names what would break.

**Change anything else.** Add the type in its next major version (` + "`order.paid.v2`" + `) beside the old one. A consumer that moves to it takes events
of the old type as well, from queues and from replicas of an earlier version, with an upcaster: a function from the old payload to the new one
(` + "`inbox.Upcast`" + `). A replica that knows only the old type cannot read the new one, so consumers come first (ADR 19); ` + "`session.revoked`" + ` is the example:

1. A release whose consumers read both versions, and whose publisher publishes the old one unless a setting has it publish the new one
   (` + "`USERS_SESSION_REVOKED_VERSION=2`" + `). An event is published in one version, never in both.
2. The next release publishes the new one. Its consumers still read both, because old events are in queues and among the dead letters.
3. When none is left, and no program outside reads it, remove the old type from the topology, with its upcaster.

A program outside does the same: give its key both types in step 1, and have it read both.
`

func eventsDocument() ([]byte, error) {
	docs, err := readEvents()
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
			meaning, err := f.meaning()
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", d.eventType, f.name, err)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, f.typeName, meaning)
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

func readEvents() ([]eventDoc, error) {
	files, err := filepath.Glob("events/*.go")
	if err != nil {
		return nil, err
	}
	var docs []eventDoc
	structs := map[string]structDoc{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		docs = append(docs, eventsOf(file, strings.TrimSuffix(filepath.Base(name), ".go"))...)
		maps.Copy(structs, structsOf(file))
	}
	for i := range docs {
		docs[i].structs = structs
		docs[i].publishers = []string{docs[i].publisher}
		if docs[i].publisher == requested {
			docs[i].publishers, docs[i].publisher = events.Requesters, strings.Join(events.Requesters, ", ")
		}
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
	for name, s := range structsOf(file) {
		if eventType, ok := types[name]; ok {
			docs = append(docs, eventDoc{eventType: eventType, publisher: publisher, fields: s.fields, meaning: s.meaning})
		}
	}
	return docs
}

// structsOf returns the structs of a file by their names.
func structsOf(file *ast.File) map[string]structDoc {
	structs := map[string]structDoc{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		spec := g.Specs[0].(*ast.TypeSpec)
		if s, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() && spec.Name.Name != "Time" {
			structs[spec.Name.Name] = structDoc{meaning: meaningOf(oneLine(g.Doc), spec.Name.Name), fields: fieldsOf(s)}
		}
	}
	return structs
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

func fieldsOf(s *ast.StructType) []fieldDoc {
	var fields []fieldDoc
	for _, f := range s.Fields.List {
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		name, options, _ := strings.Cut(tag.Get("json"), ",")
		comment := oneLine(f.Doc, f.Comment)
		if text, ok := strings.CutPrefix(comment, f.Names[0].Name+" "); ok {
			comment = strings.TrimPrefix(text, "is ")
		}
		fields = append(fields, fieldDoc{
			name: name, typeName: typeName(f.Type), comment: comment, optional: options == "omitempty", expr: f.Type, tag: tag,
		})
	}
	return fields
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		if t.Name == "Time" {
			return "time"
		}
		return t.Name
	case *ast.ArrayType:
		return "list of " + typeName(t.Elt)
	case *ast.SelectorExpr:
		return strings.ToLower(t.Sel.Name)
	default:
		return fmt.Sprintf("%T", e)
	}
}
