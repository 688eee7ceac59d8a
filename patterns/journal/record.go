// Package journal collects what happens in a service for the console: each event that it
// publishes, each attempt to handle one, each span, each change of a circuit breaker and each line of
// the log about an order. Requests are only counted.
//
// Recording must cost next to nothing and never fail: records go into a bounded buffer in
// memory, and a worker hands them on once in a while (a Sink). What does not fit is dropped
// and counted. The journal is for people who look into the system; nothing relies on it.
package journal

import (
	"encoding/json"
	"time"
)

// Kind is what a Record is about.
type Kind string

// The kinds of records, with the field of Record that each fills.
const (
	Published Kind = "published" // Event
	Handled   Kind = "handled"   // Attempt
	Finished  Kind = "span"      // Span
	Switched  Kind = "breaker"   // Breaker
	Logged    Kind = "log"       // Line
	Served    Kind = "requests"  // StandsFor: so many requests that a service has answered
	Dropped   Kind = "gap"       // Lost: records that the journal has no room for
)

// Record is one entry of the journal.
type Record struct {
	Kind     Kind      `json:"kind"`
	At       time.Time `json:"at"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"` // one running process: host name and process id
	OrderID  string    `json:"order_id,omitempty"`

	Event   *Event   `json:"event,omitempty"`
	Attempt *Attempt `json:"attempt,omitempty"`
	Span    *Span    `json:"span,omitempty"`
	Breaker *Breaker `json:"breaker,omitempty"`
	Line    *Line    `json:"line,omitempty"`
	Lost    int      `json:"lost,omitempty"`

	// StandsFor is how many records this one stands for, itself among them, if others were left
	// out under load; else 0.
	StandsFor int `json:"stands_for,omitempty"`
}

// Weight returns how many records this one stands for, itself among them.
func (r Record) Weight() int { return max(r.StandsFor, 1) }

// Event is an event that a service has committed to its outbox.
type Event struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	CausationID string          `json:"causation_id,omitempty"`
	Traceparent string          `json:"traceparent,omitempty"`
	Recipient   string          `json:"recipient,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"` // without what is secret or personal
}

// Outcome is how an attempt to handle an event ended.
type Outcome string

// The outcomes of an attempt.
const (
	OK        Outcome = "ok"
	Duplicate Outcome = "duplicate" // handled before, so nothing was done
	Retry     Outcome = "retry"     // failed, and parked for another attempt
	Dead      Outcome = "dead"      // failed for the last time
)

// failed reports whether an attempt of this outcome is always recorded.
func (o Outcome) failed() bool { return o == Retry || o == Dead }

// Attempt is one attempt of a consumer to handle an event.
type Attempt struct {
	EventID     string     `json:"event_id"`
	Type        string     `json:"type"`
	N           int        `json:"n"` // 1 is the first
	Outcome     Outcome    `json:"outcome"`
	Error       string     `json:"error,omitempty"`
	ReceivedAt  time.Time  `json:"received_at"`
	StartedAt   time.Time  `json:"started_at"`
	FinishedAt  time.Time  `json:"finished_at"`
	NextAt      *time.Time `json:"next_at,omitempty"`     // of the next attempt
	Traceparent string     `json:"traceparent,omitempty"` // of the span of this attempt
}

// Span is a span that has ended.
type Span struct {
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	ParentID   string            `json:"parent_id,omitempty"`
	Links      []string          `json:"links,omitempty"` // trace ids
	Name       string            `json:"name"`
	Kind       string            `json:"kind"` // internal, server, client, producer, consumer
	StartedAt  time.Time         `json:"started_at"`
	EndedAt    time.Time         `json:"ended_at"`
	Error      string            `json:"error,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Breaker is a circuit breaker that has changed its state.
type Breaker struct {
	Dependency string `json:"dependency"`
	From       string `json:"from"`
	To         string `json:"to"`
	Reason     string `json:"reason,omitempty"`
}

// Line is a line of a service's log about an order.
type Line struct {
	Level       string            `json:"level"` // INFO, WARN or ERROR
	Text        string            `json:"text"`
	EventID     string            `json:"event_id,omitempty"` // of the event that was handled
	Traceparent string            `json:"traceparent,omitempty"`
	Details     map[string]string `json:"details,omitempty"` // the other attributes
}

// Sink takes records on. An error means that they are lost.
type Sink func(records []Record) error
