// Package schema checks the data of events against the JSON Schemas of their types, where
// events come from programs that are not part of the system.
package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"troupe/platform/fault"
)

// Schemas are compiled schemas by type of event.
type Schemas map[string]*jsonschema.Schema

// Compile returns the schemas of the types, which source returns as JSON.
func Compile(types []string, source func(eventType string) ([]byte, error)) (Schemas, error) {
	all := Schemas{}
	for _, eventType := range types {
		text, err := source(eventType)
		if err != nil {
			return nil, err
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("read the schema of %s: %w", eventType, err)
		}
		compiler, name := jsonschema.NewCompiler(), "schema:"+eventType
		if err := compiler.AddResource(name, document); err != nil {
			return nil, fmt.Errorf("add the schema of %s: %w", eventType, err)
		}
		if all[eventType], err = compiler.Compile(name); err != nil {
			return nil, fmt.Errorf("compile the schema of %s: %w", eventType, err)
		}
	}
	return all, nil
}

// Validate returns a *fault.Error with a field for each place at which the data of an event do
// not match.
func (s Schemas) Validate(eventType string, data []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fault.New(fault.Malformed, "event_data_invalid", "the data are not JSON")
	}
	err = s[eventType].Validate(value)
	mismatch, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	refusal := fault.New(fault.Invalid, "event_data_invalid", "the data do not match the schema of %s; see GET /docs/events/%s.json at the gateway", eventType, eventType)
	for _, cause := range causes(mismatch) {
		unit := cause.BasicOutput()
		location := "body.data" + strings.ReplaceAll(unit.InstanceLocation, "/", ".")
		refusal = refusal.WithField(location, unit.Error.String())
	}
	return refusal
}

// causes returns the errors that have no other as their cause. One that has, such as that of
// a reference to another schema, does not name what is wrong.
func causes(e *jsonschema.ValidationError) (all []*jsonschema.ValidationError) {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	for _, cause := range e.Causes {
		all = append(all, causes(cause)...)
	}
	return all
}
