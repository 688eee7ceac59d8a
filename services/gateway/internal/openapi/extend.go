package openapi

import (
	"fmt"
	"maps"
	"strings"
)

// extend adds to a service's operation what the gateway's operation of the same path and
// method has besides: its description, its parameters, and the members of its response.
func extend(operation, own, components Document) {
	if text, ok := own["description"].(string); ok {
		if before, ok := operation["description"].(string); ok && before != text {
			text = before + " " + text
		}
		operation["description"] = text
	}
	parameters, _ := operation["parameters"].([]any)
	known := map[string]bool{}
	for _, p := range parameters {
		known[parameterKey(p)] = true
	}
	added, _ := own["parameters"].([]any)
	for _, p := range added {
		if !known[parameterKey(p)] {
			parameters = append(parameters, p)
		}
	}
	operation["parameters"] = parameters
	extendResponse(operation, own, components)
}

// parameterKey returns what identifies a parameter of an operation.
func parameterKey(parameter any) string {
	p, _ := parameter.(Document)
	return fmt.Sprint(p["in"], " ", p["name"])
}

// extendResponse adds the members of the gateway's response to those of the service's. The
// result is one object, because many generators know no alternatives of objects, and it has
// the name of the gateway's schema.
func extendResponse(operation, own, components Document) {
	content, other := jsonResponse(operation), jsonResponse(own)
	base, added := referred(content["schema"], components), referred(other["schema"], components)
	if base["properties"] == nil || added["properties"] == nil {
		return
	}
	both := maps.Clone(base["properties"].(Document))
	maps.Copy(both, added["properties"].(Document))
	extended := maps.Clone(base)
	extended["properties"] = both
	maps.DeleteFunc(added, func(string, any) bool { return true })
	maps.Copy(added, extended)
	content["schema"] = other["schema"]
}

// referred returns the schema to which another refers.
func referred(schema any, components Document) Document {
	reference, _ := schema.(Document)
	ref, _ := reference["$ref"].(string)
	schemas, _ := components["schemas"].(Document)
	named, _ := schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(Document)
	return named
}

// jsonResponse returns the JSON of an operation's response 200, nil if it has none.
func jsonResponse(operation Document) Document {
	var d any = operation
	for _, name := range []string{"responses", "200", "content", "application/json"} {
		object, _ := d.(Document)
		d = object[name]
	}
	content, _ := d.(Document)
	return content
}
