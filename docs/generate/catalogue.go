package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"slices"
	"strings"

	"troupe/events"
)

//go:embed catalogue.html.tmpl
var catalogueTemplate string

// catalogued is an event on the page.
type catalogued struct {
	Type, Publisher, Consumers, Meaning, Example, Schema string
	Fields                                               []cataloguedField
	Retries                                              []retryPolicy
}

type cataloguedField struct {
	Name, Type, Meaning string
	Optional            bool
}

// retryPolicy is what happens if a consumer cannot handle the event.
type retryPolicy struct{ Who, What string }

// The policies of patterns/inbox.
const (
	givesUp = "It is tried again 12 times, after 1 second at first and after 5 minutes at last, and is then a dead letter, " +
		"which an operator replays. Other events are not held up."
	neverGivesUp = "It is tried again without an end, at least every 5 minutes, because it is a compensation. Other events are not held up."
)

// catalogueDocument returns the page that describes all events.
func catalogueDocument() ([]byte, error) {
	docs, err := readEvents()
	if err != nil {
		return nil, err
	}
	if err := checkCompensations(); err != nil {
		return nil, err
	}
	page, err := template.New("catalogue").Parse(catalogueTemplate)
	if err != nil {
		return nil, err
	}
	all := make([]catalogued, len(docs))
	for i, d := range docs {
		if all[i], err = catalogue(d, events.Compensations[d.eventType]); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	err = page.Execute(&b, all)
	return b.Bytes(), err
}

func catalogue(d eventDoc, persistent []string) (catalogued, error) {
	c := catalogued{Type: d.eventType, Publisher: d.publisher, Consumers: consumers(d.eventType), Meaning: d.meaning, Retries: retries(d.eventType, persistent)}
	for _, f := range d.fields {
		meaning, err := f.meaning()
		if err != nil {
			return c, err
		}
		c.Fields = append(c.Fields, cataloguedField{f.name, f.typeName, meaning, f.optional})
	}
	schema, err := schemaOf(d)
	if err != nil {
		return c, err
	}
	c.Schema = strings.TrimSpace(string(schema))
	example, err := newestGolden("events", d.eventType)
	if err != nil {
		return c, err
	}
	e, err := indented(object{
		{"specversion", "1.0"},
		{"id", "019377f2-7b1a-7c3e-9d55-3f1e0c9a4b77"},
		{"source", d.publishers[0]},
		{"type", d.eventType},
		{"dataschema", "http://127.0.0.1:8000/docs/events/" + d.eventType + ".json"},
		{"time", "2026-01-01T12:00:00.123456Z"},
		{"datacontenttype", "application/json"},
		{"correlationid", "019377f2-7b19-7000-8000-3f1e0c9a4b77"},
		{"data", json.RawMessage(example)},
	})
	c.Example = strings.TrimSpace(string(e))
	return c, err
}

// retries returns what happens if the consumers of an event fail: one policy for those that
// give up some time, and one for those that never do.
func retries(eventType string, persistent []string) (policies []retryPolicy) {
	var others []string
	for _, consumer := range slices.Sorted(slices.Values(events.Topology[eventType])) {
		if !slices.Contains(persistent, consumer) {
			others = append(others, consumer)
		}
	}
	if len(persistent) > 0 {
		policies = append(policies, retryPolicy{strings.Join(persistent, " or "), neverGivesUp})
	}
	if len(others) > 0 {
		policies = append(policies, retryPolicy{strings.Join(others, " or "), givesUp})
	}
	return policies
}
