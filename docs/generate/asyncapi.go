package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"troupe/events"
)

const asyncAPIDescription = "Every event of Troupe, in the envelope of CloudEvents 1.0 (structured mode). Delivery is at least once and in any order: " +
	"a consumer recognizes a repeated event by its source and id."

// cloudEvent describes the envelope, whose data the messages describe.
var cloudEvent = object{
	{"type", "object"},
	{"description", "The envelope of CloudEvents 1.0."},
	{"required", []string{"specversion", "id", "source", "type", "time", "datacontenttype", "data"}},
	{"properties", object{
		{"specversion", object{{"type", "string"}, {"const", "1.0"}}},
		{"id", text("Identifies the event, together with its source. A UUID of version 7.", "")},
		{"source", text("The service that has published the event.", "")},
		{"type", text("What has happened, with the major version of the payload.", "")},
		{"time", text("When it happened.", "date-time")},
		{"datacontenttype", object{{"type", "string"}, {"const", "application/json"}}},
		{"dataschema", text("Where the JSON Schema of the payload is found.", "uri")},
		{"subject", text("A part of what the event is about.", "")},
		{"correlationid", text("What the event is about, usually the id of the order.", "")},
		{"causationid", text("The id of the event that has caused this one.", "")},
		{"traceparent", text("The trace, as in W3C Trace Context.", "")},
		{"recipient", text("The one consumer that the event is for. Others ignore it.", "")},
		{"data", object{{"description", "The payload."}}},
	}},
}

func text(description, format string) object {
	o := object{{"type", "string"}, {"description", description}}
	if format != "" {
		o = append(o, member{"format", format})
	}
	return o
}

// asyncAPIDocument returns the AsyncAPI 3 document of all events.
func asyncAPIDocument() ([]byte, error) {
	docs, err := readEvents()
	if err != nil {
		return nil, err
	}
	var channels, operations, messages object
	schemas := map[string]any{"CloudEvent": cloudEvent}
	for _, d := range docs {
		if err := addSchemas(schemas, d); err != nil {
			return nil, err
		}
		channels = append(channels, member{d.eventType, channelOf(d)})
		messages = append(messages, member{d.eventType, messageOf(d)})
		operations = append(operations, operationsOf(d)...)
	}
	var sorted object
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		sorted = append(sorted, member{name, schemas[name]})
	}
	return indented(object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "Troupe events"},
			{"version", "1.0.0"},
			{"description", asyncAPIDescription},
			{"license", object{{"name", "Apache-2.0"}, {"url", "https://www.apache.org/licenses/LICENSE-2.0"}}},
			{"tags", tagsOf(docs)},
		}},
		{"defaultContentType", "application/cloudevents+json"},
		{"servers", object{{"rabbitmq", object{
			{"host", "localhost:5672"},
			{"protocol", "amqp"},
			{"protocolVersion", "0.9.1"},
			{"description", "The broker of AMQP_URL. One process on SQLite has none."},
		}}}},
		{"channels", channels},
		{"operations", operations},
		{"components", object{{"messages", messages}, {"schemas", sorted}}},
	})
}

// tagsOf returns a tag for each service that publishes or consumes events.
func tagsOf(docs []eventDoc) (tags []object) {
	var names []string
	for _, d := range docs {
		names = append(append(names, d.publishers...), events.Topology[d.eventType]...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		tags = append(tags, object{{"name", name}})
	}
	return tags
}

func channelOf(d eventDoc) object {
	return object{
		{"address", d.eventType},
		{"description", d.meaning},
		{"messages", object{{"event", object{{"$ref", "#/components/messages/" + d.eventType}}}}},
	}
}

func messageOf(d eventDoc) object {
	return object{
		{"name", d.eventType},
		{"title", d.eventType},
		{"summary", d.meaning},
		{"contentType", "application/cloudevents+json"},
		{"payload", object{{"allOf", []object{
			{{"$ref", "#/components/schemas/CloudEvent"}},
			{{"type", "object"}, {"properties", object{
				{"type", object{{"const", d.eventType}}},
				{"data", object{{"$ref", "#/components/schemas/" + d.eventType}}},
			}}},
		}}}},
	}
}

// operationsOf returns what the publisher and each consumer does with an event.
func operationsOf(d eventDoc) object {
	operation := func(action, verb, service string) member {
		return member{service + "." + verb + "." + d.eventType, object{
			{"action", action},
			{"channel", object{{"$ref", "#/channels/" + d.eventType}}},
			{"summary", sentence(service) + " " + verb + " " + d.eventType + "."},
			{"tags", []object{{{"name", service}}}},
			{"messages", []object{{{"$ref", "#/channels/" + d.eventType + "/messages/event"}}}},
		}}
	}
	var operations object
	for _, publisher := range d.publishers {
		operations = append(operations, operation("send", "publishes", publisher))
	}
	for _, consumer := range slices.Sorted(slices.Values(events.Topology[d.eventType])) {
		operations = append(operations, operation("receive", "consumes", consumer))
	}
	return operations
}

// addSchemas adds the schema of an event and those that it refers to, as components.
func addSchemas(schemas map[string]any, d eventDoc) error {
	document, err := schemaOf(d)
	if err != nil {
		return err
	}
	moved := strings.ReplaceAll(string(document), `"#/$defs/`, `"#/components/schemas/`)
	var schema map[string]any
	if err := json.Unmarshal([]byte(moved), &schema); err != nil {
		return err
	}
	defs, _ := schema["$defs"].(map[string]any)
	maps.Copy(schemas, defs)
	delete(schema, "$defs")
	delete(schema, "$schema")
	schemas[d.eventType] = schema
	return nil
}
