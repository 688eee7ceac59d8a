package openapi

import "fmt"

// extend adds to a service's operation what the gateway's operation of the same path and
// method has besides: its description, its parameters, and the schema of its response as
// an alternative.
func extend(operation, own Document) {
	if text, ok := own["description"].(string); ok {
		if before, ok := operation["description"].(string); ok {
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
	extendResponse(operation, own)
}

// parameterKey returns what identifies a parameter of an operation.
func parameterKey(parameter any) string {
	p, _ := parameter.(Document)
	return fmt.Sprint(p["in"], " ", p["name"])
}

func extendResponse(operation, own Document) {
	content, other := jsonResponse(operation), jsonResponse(own)
	if content != nil && other != nil {
		content["schema"] = Document{"anyOf": []any{content["schema"], other["schema"]}}
	}
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
