// Package event defines the envelope in which services publish events: a
// CloudEvents 1.0 JSON object in structured mode. The same bytes are stored in the
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

// ContentType is the media type of an encoded Envelope.
const ContentType = "application/cloudevents+json"

// MaxSize is the largest size of an encoded Envelope, in bytes. Every bus accepts a
// message of this size, so that none is rejected for its size alone.
const MaxSize = 1 << 20

// Payload describes something that has happened, in the words of the business. The
// types are in package events; EventType must not depend on the value.
type Payload interface {
	EventType() string     // "order.created.v1"
	CorrelationID() string // the order, or the other thing, that it is about
}

// Envelope is an event: a payload, encoded, and what is known about it.
type Envelope struct {
	ID            string // UUIDv7
	Source        string // the service that publishes it
	Type          string
	DataSchema    string // the URI of the JSON Schema of Data
	Subject       string
	Time          time.Time
	CorrelationID string          // what it is about: the order
	CausationID   string          // the event that caused this one
	Traceparent   string          // W3C trace context
	Recipient     string          // the one consumer that it is for; empty: all
	Data          json.RawMessage // the payload
}

// Pending is an event that is about to be published. Cause is the event that caused
// it, nil if a request did.
type Pending struct {
	Payload Payload
	Cause   *Envelope
	// Recipient is the one consumer that the event is for; empty means all.
	Recipient string
	ID        string // the event's id, if the caller must know it beforehand; empty means a new one
	// Traceparent is the W3C trace context of what publishes the event; empty means that of
	// the context.
	Traceparent string
}

// New returns an envelope with the payload. It fails if the payload cannot be
// encoded as JSON.
func New(id, source string, at time.Time, payload Payload) (Envelope, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return Envelope{}, fmt.Errorf("encode the data of %s: %w", payload.EventType(), err)
	}
	return Envelope{
		ID: id, Source: source, Type: payload.EventType(), Time: at.UTC(),
		CorrelationID: payload.CorrelationID(), Data: data,
	}, nil
}

// maxAttribute is the greatest length of an id, type or source in bytes, which is
// that of a routing key in AMQP.
const maxAttribute = 255

// check returns an error if e lacks what every consumer relies on.
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
		return fmt.Errorf("event has a %s of %d bytes, at most %d are allowed", attribute, len(value), maxAttribute)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("event has a %s with control characters: %q", attribute, value)
	}
	return nil
}
