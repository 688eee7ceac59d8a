package scaffold

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
)

// addElement adds an element to the end of the first composite literal that match
// accepts. The file keeps the form of everything else.
func addElement(name, text, element string, match func(*ast.CompositeLit) bool) (string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var found *ast.CompositeLit
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.CompositeLit); ok && found == nil && match(literal) {
			found = literal
		}
		return found == nil
	})
	if found == nil {
		return "", fmt.Errorf("%s has no list to which it could be added: add it by hand", name)
	}
	return insert(text, set, found, element), nil
}

// insert adds an element to the end of a literal.
func insert(text string, set *token.FileSet, list *ast.CompositeLit, element string) string {
	end := set.Position(list.Rbrace).Offset
	oneLine := set.Position(list.Lbrace).Line == set.Position(list.Rbrace).Line
	switch {
	case !oneLine:
		element = "\t" + element + ",\n"
	case len(list.Elts) > 0:
		element = ", " + element
	}
	return text[:end] + element + text[end:]
}

// variable returns the literal that a package variable is set to, nil if there is none.
func variable(file *ast.File, name string) *ast.CompositeLit {
	object := file.Scope.Lookup(name)
	if object == nil {
		return nil
	}
	spec, ok := object.Decl.(*ast.ValueSpec)
	if !ok || len(spec.Values) != 1 {
		return nil
	}
	literal, _ := spec.Values[0].(*ast.CompositeLit)
	return literal
}

// editMap changes a map of lists in events/topology.go: it adds value to the list of key, or
// the key with it. Without a value it adds the key with an empty list.
func (t *Tree) editMap(name, key, value string) error {
	text, err := t.read(topologyFile)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, topologyFile, text, parser.ParseComments)
	if err != nil {
		return err
	}
	all := variable(file, name)
	if all == nil {
		return fmt.Errorf("%s has no variable %s with a list: add %s there by hand", topologyFile, name, key)
	}
	if value != "" {
		value = strconv.Quote(value)
	}
	list := listOf(all, key)
	if list == nil {
		return t.replace(topologyFile, []byte(insert(string(text), set, all, fmt.Sprintf("\n\t%q: {%s}", key, value))))
	}
	return t.replace(topologyFile, []byte(insert(string(text), set, list, value)))
}

// listOf returns the list of a key in a map of lists, nil if the map lacks the key.
func listOf(all *ast.CompositeLit, key string) *ast.CompositeLit {
	for _, e := range all.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if literal, ok := pair.Key.(*ast.BasicLit); ok && literal.Value == strconv.Quote(key) {
			list, _ := pair.Value.(*ast.CompositeLit)
			return list
		}
	}
	return nil
}

// consume adds a service to the consumers of an event.
func (t *Tree) consume(eventType, service string) error {
	text, err := t.read(topologyFile)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), topologyFile, text, 0)
	if err != nil {
		return err
	}
	all := variable(file, "Topology")
	if all == nil || listOf(all, eventType) == nil {
		return fmt.Errorf("%s has no event %q: see docs/EVENTS.md for the types that exist, or add one with 'troupe new event'", topologyFile, eventType)
	}
	for _, e := range listOf(all, eventType).Elts {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Value == strconv.Quote(service) {
			return fmt.Errorf("%s consumes %s already", service, eventType)
		}
	}
	return t.editMap("Topology", eventType, service)
}

// payloadType returns the name of the Go type of an event: "OrderPaid" for
// "order.paid.v1".
func (t *Tree) payloadType(eventType string) (string, error) {
	names, err := t.list("events")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := t.read(name)
		if err != nil {
			return "", err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			return "", err
		}
		if found := payloadIn(file, eventType); found != "" {
			return found, nil
		}
	}
	return "", fmt.Errorf("package events has no payload for %q: see docs/EVENTS.md for the types that exist, or add one with 'troupe new event'", eventType)
}

// payloadIn returns the type whose method EventType returns eventType, "" if the file has
// none.
func payloadIn(file *ast.File, eventType string) string {
	for _, declaration := range file.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || f.Name.Name != "EventType" || f.Recv == nil || len(f.Body.List) != 1 {
			continue
		}
		result, returns := f.Body.List[0].(*ast.ReturnStmt)
		receiver, named := f.Recv.List[0].Type.(*ast.Ident)
		if !returns || !named {
			continue
		}
		if literal, ok := result.Results[0].(*ast.BasicLit); ok && literal.Value == strconv.Quote(eventType) {
			return receiver.Name
		}
	}
	return ""
}
