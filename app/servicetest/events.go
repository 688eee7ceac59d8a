package servicetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// Consumes delivers payloads, each in a new envelope and a batch of its own, then
// settles. It fails the test if the service could not handle one.
func (h *Harness) Consumes(t *testing.T, payloads ...event.Payload) {
	t.Helper()
	for _, payload := range payloads {
		h.deliver(t, h.envelope(t, payload))
	}
	h.Settle(t)
}

// ConsumesInTrace delivers a payload as part of a trace, then settles.
func (h *Harness) ConsumesInTrace(t *testing.T, traceparent string, payload event.Payload) {
	t.Helper()
	e := h.envelope(t, payload)
	e.Traceparent = traceparent
	h.deliver(t, e)
	h.Settle(t)
}

// ConsumesBatch delivers payloads in one batch, then settles.
func (h *Harness) ConsumesBatch(t *testing.T, payloads ...event.Payload) {
	t.Helper()
	var batch []event.Envelope
	for _, payload := range payloads {
		batch = append(batch, h.envelope(t, payload))
	}
	h.deliver(t, batch...)
	h.Settle(t)
}

// ConsumesEventually delivers an event while a table is missing, for far more tries than
// most events get before they are dead, then restores the table and settles. It fails
// the test if the event is not tried forever, as a compensation must be.
func (h *Harness) ConsumesEventually(t *testing.T, table string, payload event.Payload) {
	t.Helper()
	rename := func(from, to string) {
		_, err := h.DB.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
		require.NoError(t, err)
	}
	rename(table, "mislaid")
	h.deliverBatch(t, h.envelope(t, payload))
	for range 40 {
		h.Advance(10 * time.Minute)
		tried, err := h.instance.Inbox.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, tried, "%s was declared dead", payload.EventType())
	}
	rename("mislaid", table)
	h.Advance(10 * time.Minute)
	h.Settle(t)
	h.requireHandled(t)
}

// Redelivers delivers every event consumed so far once more, in the same envelopes,
// then settles. Nothing may change.
func (h *Harness) Redelivers(t *testing.T) {
	t.Helper()
	for _, e := range slices.Clone(h.consumed) {
		h.deliver(t, e)
	}
	h.Settle(t)
}

func (h *Harness) envelope(t *testing.T, payload event.Payload) event.Envelope {
	t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(t, err)
	e := event.Envelope{
		ID: h.ids.New(), Source: "test", Type: payload.EventType(), Time: h.Now(),
		CorrelationID: payload.CorrelationID(), Data: data,
	}
	h.consumed = append(h.consumed, e)
	return e
}

// deliver delivers events in one batch and requires that they are handled.
func (h *Harness) deliver(t *testing.T, events ...event.Envelope) {
	t.Helper()
	h.deliverBatch(t, events...)
	if h.twice {
		slices.Reverse(events)
		h.deliverBatch(t, events...)
	}
	h.requireHandled(t)
}

func (h *Harness) deliverBatch(t *testing.T, events ...event.Envelope) {
	t.Helper()
	var batch []bus.Delivery
	for _, e := range events {
		body, err := event.Encode(e)
		require.NoError(t, err)
		batch = append(batch, bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}})
	}
	require.NotNil(t, h.instance.Inbox, "the service consumes no events")
	require.NoError(t, h.instance.Inbox.Consume(t.Context(), batch))
}

func (h *Harness) requireHandled(t *testing.T) {
	t.Helper()
	parked, err := h.instance.Inbox.ParkedEvents(t.Context(), "", 1)
	require.NoError(t, err)
	require.Empty(t, parked, "the service could not handle an event")
}

// PublishesNothing settles and requires that no event was published since the last
// Publishes or PublishesNothing.
func (h *Harness) PublishesNothing(t *testing.T) {
	t.Helper()
	h.Publishes(t)
}

// Publishes settles and requires that exactly these payloads were published since the
// last Publishes or PublishesNothing, in any order.
func (h *Harness) Publishes(t *testing.T, payloads ...event.Payload) {
	t.Helper()
	h.Settle(t)
	var want, got []string
	for _, payload := range payloads {
		data, err := json.Marshal(payload)
		require.NoError(t, err)
		want = append(want, line(payload.EventType(), data))
	}
	published := h.published.all()
	for _, e := range published[h.checked:] {
		got = append(got, line(e.Type, e.Data))
	}
	h.checked = len(published)
	require.ElementsMatch(t, want, got)
}

func line(eventType string, data []byte) string { return fmt.Sprintf("%s %s", eventType, data) }

// Published settles and returns the payloads of type E published since the beginning,
// oldest first. It does not affect Publishes.
func Published[E event.Payload](t *testing.T, h *Harness) []E {
	t.Helper()
	h.Settle(t)
	var payloads []E
	for _, e := range h.published.all() {
		var payload E
		if e.Type != payload.EventType() {
			continue
		}
		require.NoError(t, json.Unmarshal(e.Data, &payload))
		payloads = append(payloads, payload)
	}
	return payloads
}

// recorder is a publisher that accepts everything and keeps it for the test. An event
// published twice with one id counts once, as for any consumer.
type recorder struct {
	mu     sync.Mutex
	ids    map[string]bool
	events []event.Envelope
}

func (r *recorder) Publish(_ context.Context, messages []bus.Message) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	errs := make([]error, len(messages))
	for i, m := range messages {
		e, err := event.Decode(m.Body)
		if err != nil || r.ids[e.ID] {
			errs[i] = err
			continue
		}
		r.ids[e.ID] = true
		r.events = append(r.events, e)
	}
	return errs
}

func (r *recorder) all() []event.Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
