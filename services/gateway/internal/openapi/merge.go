// Package openapi merges the OpenAPI documents of the services into one that contains
// only the operations that can be called from outside.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Document is an OpenAPI document. It is not modelled further: parts that the merge does
// not change stay as the service wrote them.
type Document = map[string]any

// Exposed reports whether an operation of a service can be called from outside.
// Path parameters have no names: "/orders/{}".
type Exposed func(service, method, path string) bool

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// PathPattern returns a path without the names of its parameters, because the same path
// may be written with different names.
func PathPattern(path string) string { return pathParameter.ReplaceAllString(path, "{}") }

// Merge returns one document with the given info. Components and operation ids get the
// name of their service as a prefix, so that two services may both have a "Product".
// Security schemes do not: all services accept the same tokens.
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
			if !ok || !exposed(service, strings.ToUpper(method), PathPattern(path)) {
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

// member returns an object's member, and adds it if it is missing.
func member(d Document, name string) Document {
	if m, ok := d[name].(Document); ok {
		return m
	}
	m := Document{}
	d[name] = m
	return m
}

// rename returns a copy in which references have the components' new names.
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

// renameRef returns "#/components/schemas/orders_Order" for "#/components/schemas/Order".
func renameRef(service, ref string) string {
	name, ok := strings.CutPrefix(ref, "#/components/")
	kind, name, found := strings.Cut(name, "/")
	if !ok || !found || kind == "securitySchemes" {
		return ref
	}
	return "#/components/" + kind + "/" + service + "_" + name
}
