package config_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"troupe/services/gateway/internal/config"
)

// schema is the part of a JSON Schema that can be compared with Go types.
type schema struct {
	Ref         string             `json:"$ref"`
	Description string             `json:"description"`
	Type        any                `json:"type"`
	Properties  map[string]*schema `json:"properties"`
	Items       *schema            `json:"items"`
	Values      json.RawMessage    `json:"additionalProperties"`
	Enum        []any              `json:"enum"`
	Defs        map[string]*schema `json:"$defs"`
}

func TestTheSchemaHasTheKeysOfTheTypes(t *testing.T) {
	t.Parallel()
	var root schema
	require.NoError(t, json.Unmarshal(config.Schema, &root))
	compare(t, "file", root.Defs, &root, reflect.TypeFor[config.Config]())
}

func compare(t *testing.T, at string, defs map[string]*schema, s *schema, of reflect.Type) {
	t.Helper()
	require.NotNil(t, s, at)
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		require.Contains(t, defs, name, at)
		s = defs[name]
	}
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of == reflect.TypeFor[time.Duration]():
		require.Same(t, defs["duration"], s, at)
	case of == reflect.TypeFor[netip.Prefix]():
		require.Equal(t, "string", s.Type, at)
	case of.Kind() == reflect.Struct:
		require.Equal(t, "false", string(s.Values), "%s must refuse unknown keys", at)
		var keys []string
		for field := range of.Fields() {
			key := field.Tag.Get("yaml")
			keys = append(keys, key)
			compare(t, at+"."+key, defs, s.Properties[key], field.Type)
			require.NotEmpty(t, s.Properties[key].Description, "%s.%s needs a description, which editors show", at, key)
		}
		require.Len(t, s.Properties, len(keys), "%s has keys that the type does not have", at)
	case of.Kind() == reflect.Map:
		var values schema
		require.NoError(t, json.Unmarshal(s.Values, &values))
		compare(t, at+".*", defs, &values, of.Elem())
	case of.Kind() == reflect.Slice:
		compare(t, at+"[]", defs, s.Items, of.Elem())
	case s.Enum == nil:
		require.Contains(t, s.Type, jsonType(of.Kind()), at)
	}
}

func jsonType(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int64:
		return "integer"
	}
	return "string"
}

// validator is an implementation of JSON Schema that is not ours.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(config.Schema)))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("schema.json", document))
	compiled, err := compiler.Compile("schema.json")
	require.NoError(t, err)
	return compiled
}

func instance(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	encoded, err := json.Marshal(v)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encoded)))
	require.NoError(t, err)
	return document
}

func TestTheDefaultFileIsValid(t *testing.T) {
	t.Parallel()
	require.NoError(t, validator(t).Validate(instance(t, string(config.Default))))
	c, err := config.Parse("default.yaml", config.Default, services)
	require.NoError(t, err)
	require.Greater(t, len(c.Routes), 20)
}

// An editor must not mark what the gateway accepts.
func TestTheSchemaAcceptsWhatTheGatewayAccepts(t *testing.T) {
	t.Parallel()
	v := validator(t)
	for name, text := range accepted {
		require.NoError(t, v.Validate(instance(t, text)), name)
		_, err := config.Parse("gateway.yaml", []byte(text), services)
		require.NoError(t, err, name)
	}
}

// The schema finds the mistakes that do not depend on other parts of the file.
func TestTheSchemaRefusesWhatTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	v := validator(t)
	for _, c := range refused {
		_, err := config.Parse("gateway.yaml", []byte(c.text), services)
		require.Error(t, err, c.name)
		if c.local {
			require.Error(t, v.Validate(instance(t, c.text)), c.name)
		}
	}
}
