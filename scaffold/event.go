package scaffold

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"

	"troupe/platform/ascii"
)

// Field is a field of an event's payload.
type Field struct{ Name, Type string }

var (
	eventName = regexp.MustCompile(`^[a-z][a-z0-9]*\.[a-z][a-z0-9_]*(\.v[1-9][0-9]*)?$`)
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
)

// fieldTypes lists for each type of a field its Go type and an example.
var fieldTypes = map[string][2]string{
	"string": {"string", `"%s-1"`},
	"int":    {"int64", "7"},
	"bool":   {"bool", "true"},
	"money":  {"Money", `Money{Amount: 1299, Currency: "EUR"}`},
	"time":   {"Time", "Time{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}"},
}

// ParseField returns the field that a text such as "points:int" describes.
func ParseField(text string) (Field, error) {
	name, kind, _ := strings.Cut(text, ":")
	if _, known := fieldTypes[kind]; !known || !fieldName.MatchString(name) {
		return Field{}, fmt.Errorf("%q is no field: write NAME:TYPE, for example order_id:string; a type is string, int, bool, money or time", text)
	}
	return Field{name, kind}, nil
}

// NewEvent adds an event that a service publishes, without consumers. Its correlation id
// is the first of its fields order_id, user_id and any other string.
func (t *Tree) NewEvent(eventType, publisher string, fields []Field) error {
	all, err := t.services()
	switch {
	case err != nil:
		return err
	case !eventName.MatchString(eventType):
		return fmt.Errorf("%q cannot be the type of an event: write THING.WHAT_HAPPENED, for example loyalty.points_earned", eventType)
	case !slices.Contains(all, publisher):
		return fmt.Errorf("no service is called %q: give one of %s", publisher, strings.Join(all, ", "))
	}
	eventType = withVersion(eventType)
	correlation := correlationOf(fields)
	if correlation == "" {
		return fmt.Errorf("%s needs a field that names what it is about, for example order_id:string", eventType)
	}
	if existing, err := t.payloadType(eventType); err == nil {
		return fmt.Errorf("there is an event %s already: events.%s", eventType, existing)
	}
	if err := t.addPayload(eventType, publisher, correlation, fields); err != nil {
		return err
	}
	if err := t.addExample(eventType, fields); err != nil {
		return err
	}
	if err := t.editMap("published", publisher, eventType); err != nil {
		return err
	}
	return t.editMap("Topology", eventType, "")
}

// withVersion returns the type of an event with its major version, which is the first
// unless it has one.
func withVersion(eventType string) string {
	if strings.Count(eventType, ".") == 1 {
		return eventType + ".v1"
	}
	return eventType
}

// payloadName returns the Go type of an event's payload: "LoyaltyPointsEarned" for
// "loyalty.points_earned.v1".
func payloadName(eventType string) string {
	return goName(strings.ReplaceAll(strings.TrimSuffix(eventType, ".v1"), ".", "_"))
}

// correlationOf returns the field that an event is correlated by, "" if there is none.
func correlationOf(fields []Field) string {
	for _, wanted := range []string{"order_id", "user_id", ""} {
		for _, f := range fields {
			if f.Type == "string" && (f.Name == wanted || wanted == "") {
				return f.Name
			}
		}
	}
	return ""
}

func (t *Tree) addPayload(eventType, publisher, correlation string, fields []Field) error {
	file := "events/" + publisher + ".go"
	text := []byte("package events\n")
	if t.exists(file) {
		var err error
		if text, err = t.read(file); err != nil {
			return err
		}
	}
	name := payloadName(eventType)
	var added strings.Builder
	fmt.Fprintf(&added, "\n// %s is published when %s.\ntype %s struct {\n", name, sentence(eventType), name)
	for _, f := range fields {
		fmt.Fprintf(&added, "\t// %s of the event.\n\t%s %s `json:%q`\n", described(f.Name), goName(f.Name), fieldTypes[f.Type][0], f.Name)
	}
	fmt.Fprintf(&added, "}\n\nfunc (%s) EventType() string { return %q }\n\nfunc (e %s) CorrelationID() string { return e.%s }\n",
		name, eventType, name, goName(correlation))
	return t.replace(file, append(text, added.String()...))
}

// described returns the beginning of a field's comment, which the schema shows as its
// description: "The points" for "points".
func described(name string) string { return "The " + strings.ReplaceAll(name, "_", " ") }

// sentence returns what has happened: "loyalty points earned" for
// "loyalty.points_earned.v1".
func sentence(eventType string) string {
	parts := strings.Split(eventType, ".")
	return strings.ReplaceAll(parts[0]+" "+parts[1], "_", " ")
}

// addExample adds an event to the examples, which the golden files and the schemas are
// compared with.
func (t *Tree) addExample(eventType string, fields []Field) error {
	name := payloadName(eventType)
	var values []string
	for _, f := range fields {
		value := fieldTypes[f.Type][1]
		if f.Type == "string" {
			value = fmt.Sprintf(value, strings.TrimSuffix(f.Name, "_id"))
		}
		values = append(values, goName(f.Name)+": "+value)
	}
	return t.editList("events/events_test.go", name+"{"+strings.Join(values, ", ")+"}", func(l *ast.CompositeLit) bool {
		list, isArray := l.Type.(*ast.ArrayType)
		if !isArray {
			return false
		}
		of, named := list.Elt.(*ast.Ident)
		return named && of.Name == "payload"
	})
}

// editList adds an element to a list in a file; see addElement.
func (t *Tree) editList(file, element string, match func(*ast.CompositeLit) bool) error {
	text, err := t.read(file)
	if err != nil {
		return err
	}
	changed, err := addElement(file, string(text), element, match)
	if err != nil {
		return err
	}
	return t.replace(file, []byte(changed))
}

// initialisms are written in capitals in the names of Go.
var initialisms = []string{"id", "sku", "url", "api"}

// goName returns a name with underscores as an exported Go name: "OrderID" for
// "order_id".
func goName(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts {
		if slices.Contains(initialisms, part) {
			parts[i] = ascii.Upper(part)
		} else {
			parts[i] = ascii.Upper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}
