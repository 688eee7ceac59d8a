package events

import (
	"embed"
	"fmt"
	"maps"
	"slices"
)

//go:embed schemas/*.json
var schemas embed.FS

// AsyncAPI is the AsyncAPI 3 document of all events.
//
//go:embed asyncapi.json
var AsyncAPI []byte

// Schema returns the JSON Schema (draft 2020-12) of the payloads of a type of event. It
// fails if there is no such type.
//
// The schemas follow from the Go types by `make generate`. Unknown members are allowed:
// a payload may gain a field within a major version.
func Schema(eventType string) ([]byte, error) {
	if _, known := Topology[eventType]; !known {
		return nil, fmt.Errorf("there is no event of the type %q", eventType)
	}
	return schemas.ReadFile("schemas/" + eventType + ".json")
}

// Types returns the types of all events, sorted.
func Types() []string { return slices.Sorted(maps.Keys(Topology)) }
