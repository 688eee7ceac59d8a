// Package openapi makes one OpenAPI document of those of the services, holding
// only what can be called from outside.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Document is an OpenAPI document. It is not modelled further: what the merge
// does not touch stays as the service wrote it.
type Document = map[string]any

// Exposed says whether an operation of a service can be called from outside.
// Path parameters come without their names: "/orders/{}".
type Exposed func(service, method, path string) bool

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// Shape takes the names out of a path's parameters, in which two ways to
// write the same path may differ.
func Shape(path string) string { return pathParameter.ReplaceAllString(path, "{}") }

// Merge makes one document, which is introduced as info says. Components and
// operation ids get the name of their service, so that two services may both have
// a "Product". Security schemes do not: all services take the same tokens.
func Merge(info any, parts map[string]Document, exposed Exposed) ([]byte, error) {
	paths, components := Document{}, Document{}
	for _, service := range slices.Sorted(maps.Keys(parts)) {
		part := rename(service, parts[service]).(Document)
		addPaths(paths, service, part, exposed)
		addComponents(components, service, part)
	}
	merged, err := json.Marshal(Document{
		"openapi":    "3.1.0",
		"info":       info,
		"paths":      paths,
		"components": components,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the merged OpenAPI document: %w", err)
	}
	return merged, nil
}

func addPaths(into Document, service string, part Document, exposed Exposed) {
	paths, _ := part["paths"].(Document)
	for path, item := range paths {
		operations, _ := item.(Document)
		for method, operation := range operations {
			o, ok := operation.(Document)
			if !ok || !exposed(service, strings.ToUpper(method), Shape(path)) {
				continue
			}
			o["tags"] = []string{service}
			if id, ok := o["operationId"].(string); ok {
				o["operationId"] = service + "-" + id
			}
			member(into, path)[method] = o
		}
	}
}

func addComponents(into Document, service string, part Document) {
	components, _ := part["components"].(Document)
	for kind, named := range components {
		all, _ := named.(Document)
		for name, component := range all {
			if kind != "securitySchemes" {
				name = service + "_" + name
			}
			member(into, kind)[name] = component
		}
	}
}

// member gives an object's member, which is made if missing.
func member(d Document, name string) Document {
	if m, ok := d[name].(Document); ok {
		return m
	}
	m := Document{}
	d[name] = m
	return m
}

// rename gives a copy in which references lead to the components' new names.
func rename(service string, v any) any {
	switch t := v.(type) {
	case Document:
		renamed := make(Document, len(t))
		for key, value := range t {
			if ref, ok := value.(string); ok && key == "$ref" {
				renamed[key] = renameRef(service, ref)
				continue
			}
			renamed[key] = rename(service, value)
		}
		return renamed
	case []any:
		renamed := make([]any, len(t))
		for i, value := range t {
			renamed[i] = rename(service, value)
		}
		return renamed
	}
	return v
}

// renameRef turns "#/components/schemas/Order" into "#/components/schemas/orders_Order".
func renameRef(service, ref string) string {
	name, ok := strings.CutPrefix(ref, "#/components/")
	kind, name, found := strings.Cut(name, "/")
	if !ok || !found || kind == "securitySchemes" {
		return ref
	}
	return "#/components/" + kind + "/" + service + "_" + name
}
