package openapi

import (
	"maps"
	"strings"
)

// used returns the components to which the paths refer, directly or through others, and all
// security schemes, which operations name without a reference. What remains belongs to
// operations that are not exposed.
func used(paths, components Document) Document {
	kept := Document{}
	if schemes, ok := components["securitySchemes"]; ok {
		kept["securitySchemes"] = schemes
	}
	keepReferred(paths, components, kept)
	return kept
}

// keepReferred adds to kept the components to which v refers.
func keepReferred(v any, components, kept Document) {
	switch t := v.(type) {
	case Document:
		if ref, ok := t["$ref"].(string); ok {
			keep(ref, components, kept)
		}
		for member := range maps.Values(t) {
			keepReferred(member, components, kept)
		}
	case []any:
		for _, element := range t {
			keepReferred(element, components, kept)
		}
	}
}

func keep(ref string, components, kept Document) {
	name, _ := strings.CutPrefix(ref, "#/components/")
	kind, name, _ := strings.Cut(name, "/")
	named, _ := components[kind].(Document)
	component, exists := named[name]
	if _, known := member(kept, kind)[name]; known || !exists {
		return
	}
	member(kept, kind)[name] = component
	keepReferred(component, components, kept)
}
