// Package event is the envelope in which services tell each other facts:
// a CloudEvents 1.0 JSON object in structured mode. The same bytes lie in the
// outbox, on the bus and among the dead letters.
package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// ContentType is the media type of an encoded Event.
const ContentType = "application/cloudevents+json"

// Fact is something that has happened, in the business's words. The types are
// in package events; EventType must not depend on the value.
type Fact interface {
	EventType() string     // "order.created.v1"
	CorrelationID() string // the order, or the thing, that it is about
}

// Event is one fact in its envelope.
type Event struct {
	ID            string          `json:"id"` // UUIDv7
	Source        string          `json:"source"`
	Type          string          `json:"type"`
	Subject       string          `json:"subject,omitempty"`
	Time          time.Time       `json:"time"`
	CorrelationID string          `json:"correlationid,omitempty"`
	CausationID   string          `json:"causationid,omitempty"` // the event that caused this one
	Traceparent   string          `json:"traceparent,omitempty"` // W3C trace context
	Data          json.RawMessage `json:"data"`
}

// Draft is a fact about to be said, with the event that made us say it (nil if
// a request did).
type Draft struct {
	Fact  Fact
	Cause *Event
	ID    string // the event's id, for who must know it beforehand; empty: a new one
}

// New puts a fact into an envelope.
func New(id, source string, at time.Time, fact Fact) (Event, error) {
	data, err := json.Marshal(fact)
	if err != nil {
		return Event{}, fmt.Errorf("encode the data of %s: %w", fact.EventType(), err)
	}
	return Event{
		ID: id, Source: source, Type: fact.EventType(), Time: at.UTC(),
		CorrelationID: fact.CorrelationID(), Data: data,
	}, nil
}

type wire struct {
	SpecVersion     string `json:"specversion"`
	DataContentType string `json:"datacontenttype"`
	Event
}

// Encode gives the structured-mode JSON.
func Encode(e Event) ([]byte, error) {
	return json.Marshal(wire{SpecVersion: "1.0", DataContentType: "application/json", Event: e})
}

// Decode reads structured-mode JSON. It fails if a required attribute is
// missing or could not be a key in a database, so that nothing without a usable
// id is ever taken in. Extensions that Event does not have are dropped.
func Decode(body []byte) (Event, error) {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		return Event{}, fmt.Errorf("event is not JSON: %w", err)
	}
	if w.SpecVersion != "1.0" {
		return Event{}, fmt.Errorf("event has specversion %q, want \"1.0\"", w.SpecVersion)
	}
	if err := check("id", w.ID); err != nil {
		return Event{}, err
	}
	if err := check("type", w.Type); err != nil {
		return Event{}, err
	}
	if err := check("source", w.Source); err != nil {
		return Event{}, err
	}
	return w.Event, nil
}

// maxAttribute is the longest id, type or source in bytes: what a routing key
// of a broker may have.
const maxAttribute = 255

func check(attribute, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("event has no %s", attribute)
	case len(value) > maxAttribute:
		return fmt.Errorf("event has a %s of %d bytes, at most %d are taken", attribute, len(value), maxAttribute)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("event has a %s with control characters: %q", attribute, value)
	}
	return nil
}
