package scaffold

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"

	"troupe/platform/ascii"
)

const handlersOf = "services/%s/handlers.go"

// NewHandler adds a handler of an event to a service, with a test, and makes the service
// a consumer of the event.
func (t *Tree) NewHandler(service, eventType string) error {
	all, err := t.services()
	if err != nil {
		return err
	}
	if !slices.Contains(all, service) {
		return fmt.Errorf("no service is called %q: give one of %s", service, strings.Join(all, ", "))
	}
	eventType = withVersion(eventType)
	payload, err := t.payloadType(eventType)
	if err != nil {
		return err
	}
	if err := t.consume(eventType, service); err != nil {
		return err
	}
	return t.addHandler(handlerValues{
		Module: t.module, Service: service, Payload: payload, Type: eventType,
		Method: ascii.Lower(payload[:1]) + payload[1:],
	})
}

// handlerValues are what the templates of a handler refer to.
type handlerValues struct{ Module, Service, Payload, Type, Method string }

func (t *Tree) addHandler(v handlerValues) error {
	list, err := t.handlerList(v.Service)
	if err != nil {
		return err
	}
	if err := t.editList(list, "inbox.Handle(s."+v.Method+")", isHandlerList); err != nil {
		return err
	}
	snake := strings.NewReplacer(".v", "_v", ".", "_").Replace(strings.TrimSuffix(v.Type, ".v1"))
	for template, name := range map[string]string{
		"templates/handler/handler.go.tmpl": fmt.Sprintf("services/%s/on_%s.go", v.Service, snake),
		"templates/handler/test.go.tmpl":    fmt.Sprintf("services/%s/on_%s_test.go", v.Service, snake),
	} {
		if err := t.createFrom(template, name, v); err != nil {
			return err
		}
	}
	return nil
}

// handlerList returns the file of a service that lists its handlers.
func (t *Tree) handlerList(service string) (string, error) {
	for _, name := range []string{fmt.Sprintf(handlersOf, service), fmt.Sprintf("services/%[1]s/%[1]s.go", service)} {
		text, err := t.read(name)
		if err != nil {
			continue
		}
		if _, err := addElement(name, string(text), "nil", isHandlerList); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("services/%s has no list []inbox.Handler{...} in handlers.go or %s.go: add the handler by hand; see docs/GUIDE.md", service, service)
}

// isHandlerList reports whether a literal is a []inbox.Handler.
func isHandlerList(l *ast.CompositeLit) bool {
	list, isArray := l.Type.(*ast.ArrayType)
	if !isArray {
		return false
	}
	of, isSelector := list.Elt.(*ast.SelectorExpr)
	return isSelector && of.Sel.Name == "Handler"
}
