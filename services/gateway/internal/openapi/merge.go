// Package openapi merges the OpenAPI documents of the services into one that contains
// only the operations that can be called from outside.
package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"troupe/platform/ascii"
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

// gateway is the name of the service whose document is its own.
const gateway = "gateway"

// Merge returns one document with the exposed operations of the services and of the
// gateway itself, whose info it gets. An operation that a service and the gateway have is
// the service's, with what the gateway adds to it. Components get the name of their service
// as a prefix, so that two services may both have a "Product", except for those that are
// shared. Operations have the ids of this package.
// Security schemes do not: all services accept the same tokens. Components to which no
// operation refers are left out. The members of notes that are not empty are added.
//
// The URLs begin with originMark, in whose place [Merged.At] puts the gateway's address.
func Merge(own Document, parts map[string]Document, exposed Exposed, notes Document) ([]byte, error) {
	paths, components := Document{}, Document{}
	for _, service := range slices.Sorted(maps.Keys(parts)) {
		same := sharedIn(parts[service], own, parts)
		part := rename(service, parts[service], same).(Document)
		addComponents(components, service, part, same)
		addPaths(paths, components, service, part, exposed)
	}
	same := sharedIn(own, own, parts)
	part := rename(gateway, own, same).(Document)
	addComponents(components, gateway, part, same)
	addPaths(paths, components, gateway, part, exposed)
	addProblemResponses(components)
	addPasswordFlow(paths, components)
	components = used(paths, components)
	document := Document{
		"openapi":    "3.1.0",
		"info":       own["info"],
		"servers":    []any{Document{"url": originMark, "description": "This gateway"}},
		"tags":       describeTags(paths),
		"paths":      inOrderOfUse(paths),
		"components": components,
	}
	for name, note := range notes {
		if n, ok := note.(Document); ok && len(n) > 0 {
			document[name] = n
		}
	}
	merged, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encode the merged OpenAPI document: %w", err)
	}
	return merged, nil
}

func addPaths(into, components Document, service string, part Document, exposed Exposed) {
	paths, _ := part["paths"].(Document)
	for path, item := range paths {
		operations, _ := item.(Document)
		for method, operation := range operations {
			o, ok := operation.(Document)
			if !ok || !exposed(service, ascii.Upper(method), PathPattern(path)) {
				continue
			}
			o["tags"] = []string{service}
			if id, ok := o["operationId"].(string); ok {
				o["operationId"] = cmp.Or(ids[ascii.Upper(method)+" "+PathPattern(path)], operationID(service, id))
			}
			addGatewayProblems(o)
			statePublic(o)
			openForm(o, components)
			item := member(into, samePath(into, path))
			if present, ok := item[method].(Document); ok {
				extend(present, o, components)
				continue
			}
			item[method] = o
		}
	}
}

// samePath returns the path under which the document has the path, perhaps with other
// names of parameters; path itself if it has none.
func samePath(paths Document, path string) string {
	for present := range paths {
		if PathPattern(present) == PathPattern(path) {
			return present
		}
	}
	return path
}

func addComponents(into Document, service string, part Document, same shared) {
	components, _ := part["components"].(Document)
	for kind, named := range components {
		all, _ := named.(Document)
		for name, component := range all {
			if kind != "securitySchemes" && !same[kind+"/"+name] {
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

// patternDescription is a keyword of the library that makes the services' documents, which
// OpenAPI does not know.
const patternDescription = "patternDescription"

// rename returns a copy in which references have the components' new names.
func rename(service string, v any, same shared) any {
	switch t := v.(type) {
	case Document:
		renamed := make(Document, len(t))
		for key, value := range t {
			switch text, ok := value.(string); {
			case ok && key == "$ref":
				renamed[key] = renameRef(service, text, same)
			case ok && key == patternDescription:
				if _, described := t["description"]; !described {
					renamed["description"] = text
				}
			default:
				renamed[key] = rename(service, value, same)
			}
		}
		return renamed
	case []any:
		renamed := make([]any, len(t))
		for i, value := range t {
			renamed[i] = rename(service, value, same)
		}
		return renamed
	}
	return v
}

// renameRef returns "#/components/schemas/orders_Order" for "#/components/schemas/Order".
func renameRef(service, ref string, same shared) string {
	name, ok := strings.CutPrefix(ref, "#/components/")
	kind, name, found := strings.Cut(name, "/")
	if !ok || !found || kind == "securitySchemes" || same[kind+"/"+name] {
		return ref
	}
	return "#/components/" + kind + "/" + service + "_" + name
}
