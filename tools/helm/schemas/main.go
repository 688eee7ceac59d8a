// Command schemas writes the JSON Schemas of Kubernetes' kinds, in the form that kubeconform
// reads, from the OpenAPI document of Kubernetes: schemas SWAGGER FOLDER
// KIND... . Objects refuse
// fields that they do not have.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type kind struct{ Group, Version, Kind string }

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: schemas SWAGGER FOLDER KIND...")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func write(swagger, folder string, kinds []string) error {
	text, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	var document struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return err
	}
	for name, definition := range document.Definitions {
		adapt(name, definition)
	}
	for name, definition := range document.Definitions {
		for _, k := range kindsOf(definition) {
			if !slices.Contains(kinds, k.Kind) {
				continue
			}
			schema, err := json.Marshal(map[string]any{"$ref": "#/definitions/" + name, "definitions": document.Definitions})
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, k.file()), schema, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// file returns the name under which kubeconform looks for a kind.
func (k kind) file() string {
	group, _, _ := strings.Cut(k.Group, ".")
	if group != "" {
		group += "-"
	}
	return strings.ToLower(k.Kind + "-" + group + k.Version + ".json")
}

func kindsOf(definition map[string]any) (kinds []kind) {
	text, err := json.Marshal(definition["x-kubernetes-group-version-kind"])
	if err != nil || json.Unmarshal(text, &kinds) != nil {
		return nil
	}
	return kinds
}

// adapt makes a definition refuse unknown fields, and lets what is written as a number or
// as text be either where Kubernetes accepts both.
func adapt(name string, definition map[string]any) {
	if _, hasFields := definition["properties"]; hasFields && definition["additionalProperties"] == nil {
		definition["additionalProperties"] = false
	}
	if strings.HasSuffix(name, ".util.intstr.IntOrString") || strings.HasSuffix(name, ".resource.Quantity") {
		delete(definition, "format")
		definition["type"] = []string{"string", "number"}
	}
}
