// Package event is the envelope in which services tell each other facts:
// a CloudEvents 1.0 JSON object in structured mode. The same bytes lie in the
// outbox, on the bus and among the dead letters.
package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// ContentType is the media type of an encoded Event.
const ContentType = "application/cloudevents+json"

// Payload is something that has happened, in the business's words. The types are
// in package events; EventType must not depend on the value.
type Payload interface {
	EventType() string     // "order.created.v1"
	CorrelationID() string // the order, or the thing, that it is about
}

// Envelope is one fact in its envelope.
type Envelope struct {
	ID            string // UUIDv7
	Source        string // the service that states it
	Type          string
	Subject       string
	Time          time.Time
	CorrelationID string          // what it is about: the order
	CausationID   string          // the event that caused this one
	Traceparent   string          // W3C trace context
	Data          json.RawMessage // the fact
}

// Pending is a fact about to be said, with the event that made us say it (nil if
// a request did).
type Pending struct {
	Payload Payload
	Cause   *Envelope
	ID      string // the event's id, for who must know it beforehand; empty: a new one
}

// New puts a fact into an envelope.
func New(id, source string, at time.Time, fact Payload) (Envelope, error) {
	data, err := json.Marshal(fact)
	if err != nil {
		return Envelope{}, fmt.Errorf("encode the data of %s: %w", fact.EventType(), err)
	}
	return Envelope{
		ID: id, Source: source, Type: fact.EventType(), Time: at.UTC(),
		CorrelationID: fact.CorrelationID(), Data: data,
	}, nil
}

// maxAttribute is the longest id, type or source in bytes: what a routing key
// of a broker may have.
const maxAttribute = 255

// check demands what every hearer relies on.
func check(e Envelope, specVersion string) error {
	if specVersion != "1.0" {
		return fmt.Errorf("event has specversion %q, want \"1.0\"", specVersion)
	}
	return cmp.Or(checkKey("id", e.ID), checkKey("type", e.Type), checkKey("source", e.Source))
}

func checkKey(attribute, value string) error {
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
