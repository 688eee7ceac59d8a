// Command crds writes the JSON Schemas of custom resources, in the form that kubeconform
// reads, from the definitions that their operators publish: crds FOLDER DEFINITION.yaml... .
// Objects refuse fields that they do not have.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// definition holds what is read of a CustomResourceDefinition.
type definition struct {
	Kind string `json:"kind"`
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPI map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: crds FOLDER DEFINITION.yaml...")
		os.Exit(2)
	}
	for _, file := range os.Args[2:] {
		if err := write(os.Args[1], file); err != nil {
			fmt.Fprintf(os.Stderr, "error: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
}

func write(folder, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var d definition
	if err := yaml.Unmarshal(text, &d); err != nil {
		return err
	}
	if d.Kind != "CustomResourceDefinition" || len(d.Spec.Versions) == 0 {
		return fmt.Errorf("it is a %q with %d versions", d.Kind, len(d.Spec.Versions))
	}
	group, _, _ := strings.Cut(d.Spec.Group, ".")
	for _, version := range d.Spec.Versions {
		if len(version.Schema.OpenAPI) == 0 {
			return fmt.Errorf("version %s has no schema", version.Name)
		}
		closeObjects(version.Schema.OpenAPI)
		schema, err := json.Marshal(version.Schema.OpenAPI)
		if err != nil {
			return err
		}
		name := strings.ToLower(d.Spec.Names.Kind + "-" + group + "-" + version.Name + ".json")
		if err := os.WriteFile(filepath.Join(folder, name), schema, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// closeObjects makes objects refuse unknown fields, as the API does when it validates
// strictly.
func closeObjects(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		_, hasFields := s["properties"].(map[string]any)
		if hasFields && s["additionalProperties"] == nil && s["x-kubernetes-preserve-unknown-fields"] == nil {
			s["additionalProperties"] = false
		}
		for _, inner := range s {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range s {
			closeObjects(inner)
		}
	}
}
