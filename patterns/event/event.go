// Package event is the envelope in which services tell each other facts:
// a CloudEvents 1.0 JSON object in structured mode. The same bytes lie in the
// outbox, on the bus and among the dead letters.
package event

import (
	"encoding/json"
	"fmt"
	"time"
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
// missing, so that nothing without an id is ever taken in.
func Decode(body []byte) (Event, error) {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		return Event{}, fmt.Errorf("event is not JSON: %w", err)
	}
	switch {
	case w.SpecVersion != "1.0":
		return Event{}, fmt.Errorf("event has specversion %q, want \"1.0\"", w.SpecVersion)
	case w.ID == "":
		return Event{}, fmt.Errorf("event has no id")
	case w.Type == "":
		return Event{}, fmt.Errorf("event %s has no type", w.ID)
	case w.Source == "":
		return Event{}, fmt.Errorf("event %s has no source", w.ID)
	}
	return w.Event, nil
}
