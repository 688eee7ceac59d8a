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

// Consumes delivers facts, each in a new envelope and a batch of its own, then settles.
// It fails the test if the service could not handle one.
func (h *Harness) Consumes(t *testing.T, facts ...event.Payload) {
	t.Helper()
	for _, fact := range facts {
		h.deliver(t, h.envelope(t, fact))
	}
	h.Settle(t)
}

// ConsumesBatch delivers facts in one batch, then settles.
func (h *Harness) ConsumesBatch(t *testing.T, facts ...event.Payload) {
	t.Helper()
	var batch []event.Envelope
	for _, fact := range facts {
		batch = append(batch, h.envelope(t, fact))
	}
	h.deliver(t, batch...)
	h.Settle(t)
}

// ConsumesEventually delivers a fact while a table is missing, for far more tries than an
// event gets that may be given up, then brings the table back and settles. It fails
// the test if the service gives up.
func (h *Harness) ConsumesEventually(t *testing.T, table string, fact event.Payload) {
	t.Helper()
	rename := func(from, to string) {
		_, err := h.DB.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
		require.NoError(t, err)
	}
	rename(table, "mislaid")
	h.handOut(t, h.envelope(t, fact))
	for range 40 {
		h.Advance(10 * time.Minute)
		tried, err := h.instance.Inbox.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, tried, "%s was given up", fact.EventType())
	}
	rename("mislaid", table)
	h.Advance(10 * time.Minute)
	h.Settle(t)
	h.requireHandled(t)
}

// Redelivers delivers every event heard so far once more, in the same envelopes,
// then settles: nothing may change.
func (h *Harness) Redelivers(t *testing.T) {
	t.Helper()
	for _, e := range slices.Clone(h.consumed) {
		h.deliver(t, e)
	}
	h.Settle(t)
}

func (h *Harness) envelope(t *testing.T, fact event.Payload) event.Envelope {
	t.Helper()
	data, err := json.Marshal(fact)
	require.NoError(t, err)
	e := event.Envelope{
		ID: h.ids.New(), Source: "test", Type: fact.EventType(), Time: h.Now(),
		CorrelationID: fact.CorrelationID(), Data: data,
	}
	h.consumed = append(h.consumed, e)
	return e
}

// deliver hands events out in one batch and demands that they could be handled.
func (h *Harness) deliver(t *testing.T, events ...event.Envelope) {
	t.Helper()
	h.handOut(t, events...)
	h.requireHandled(t)
}

func (h *Harness) handOut(t *testing.T, events ...event.Envelope) {
	t.Helper()
	var batch []bus.Delivery
	for _, e := range events {
		body, err := event.Encode(e)
		require.NoError(t, err)
		batch = append(batch, bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}})
	}
	require.NotNil(t, h.instance.Inbox, "the service hears nothing")
	require.NoError(t, h.instance.Inbox.Consume(t.Context(), batch))
}

func (h *Harness) requireHandled(t *testing.T) {
	t.Helper()
	parked, err := h.instance.Inbox.ParkedEvents(t.Context(), "", 1)
	require.NoError(t, err)
	require.Empty(t, parked, "the service could not handle an event")
}

// Publishes settles and demands that exactly these facts were said since the last
// Says, in any order. With none: nothing was said.
func (h *Harness) Publishes(t *testing.T, facts ...event.Payload) {
	t.Helper()
	h.Settle(t)
	var want, got []string
	for _, fact := range facts {
		data, err := json.Marshal(fact)
		require.NoError(t, err)
		want = append(want, line(fact.EventType(), data))
	}
	said := h.published.all()
	for _, e := range said[h.checked:] {
		got = append(got, line(e.Type, e.Data))
	}
	h.checked = len(said)
	require.ElementsMatch(t, want, got)
}

func line(eventType string, data []byte) string { return fmt.Sprintf("%s %s", eventType, data) }

// Published settles and gives the facts of type E said since the beginning, oldest
// first; Says is not affected.
func Published[E event.Payload](t *testing.T, h *Harness) []E {
	t.Helper()
	h.Settle(t)
	var facts []E
	for _, e := range h.published.all() {
		var fact E
		if e.Type != fact.EventType() {
			continue
		}
		require.NoError(t, json.Unmarshal(e.Data, &fact))
		facts = append(facts, fact)
	}
	return facts
}

// recorder is a bus that takes everything and keeps it for the test to read. A
// fact said twice in the same envelope counts once, as for any hearer.
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
