package journal

import (
	"bytes"
	"cmp"
	"sync/atomic"
	"time"
)

// Recorder records what happens in one service. Its methods do nothing on a nil Recorder,
// which is one that is switched off, and as long as the journal has no sink.
type Recorder struct {
	journal *Journal
	service string
	served  *atomic.Int64 // requests of the service since the last step of the journal
}

// Recorder returns the recorder of a service. A nil Journal has nil recorders.
func (j *Journal) Recorder(service string) *Recorder {
	if j == nil {
		return nil
	}
	return &Recorder{j, service, j.counterOf(service)}
}

// On reports whether anything is recorded.
func (r *Recorder) On() bool { return r != nil && r.journal.sink.Load() != nil }

// Keeps reports whether what belongs to an order is recorded now. key is the id of the
// order, or of what else an event is about.
func (r *Recorder) Keeps(key string) bool { return r.On() && r.journal.sampler.keeps(key, false) }

// Published records an event that was committed. Ask Keeps before. The journal keeps
// e.Data, and changes nothing in it.
func (r *Recorder) Published(orderID string, at time.Time, e Event) {
	r.add(Record{Kind: Published, At: at, OrderID: orderID, Event: &e, StandsFor: r.journal.sampler.oneOf()})
}

// KeepsAttempt reports whether an attempt to handle an event is recorded, and counts it: those
// that failed always are. key is what the event is about.
func (r *Recorder) KeepsAttempt(key string, o Outcome) bool {
	return r.On() && r.journal.sampler.keeps(key, o.failed())
}

// Handled records an attempt to handle an event. Ask KeepsAttempt before. orderID is "" if the
// event is about no order.
func (r *Recorder) Handled(orderID string, a Attempt) {
	record := Record{Kind: Handled, At: a.FinishedAt, OrderID: orderID, Attempt: &a}
	if !a.Outcome.failed() {
		record.StandsFor = r.journal.sampler.oneOf()
	}
	r.add(record)
}

// KeepsSpan reports whether a span that has ended is recorded, and counts it. orderID is ""
// if it is unknown which order the span is about.
func (r *Recorder) KeepsSpan(orderID, traceID string, failed bool) bool {
	return r.On() && r.journal.spans.keeps(cmp.Or(orderID, traceID), failed)
}

// Span records a span that has ended. Ask KeepsSpan before.
func (r *Recorder) Span(orderID string, s Span) {
	r.add(Record{Kind: Finished, At: s.EndedAt, OrderID: orderID, Span: &s})
}

// Served counts a request that the service has answered. All are counted, under any load.
func (r *Recorder) Served() {
	if r.On() {
		r.served.Add(1)
	}
}

// Switched records that a circuit breaker has changed its state.
func (r *Recorder) Switched(at time.Time, b Breaker) {
	if r.On() {
		r.add(Record{Kind: Switched, At: at, Breaker: &b})
	}
}

func (r *Recorder) add(record Record) {
	record.Service, record.Instance = r.service, r.journal.instance
	r.journal.add(record)
}

// OrderOf returns the order that an event is about, by its correlation id and its payload,
// "" if it is about something else.
func OrderOf(correlationID string, payload []byte) string {
	const member = `"order_id":`
	_, value, found := bytes.Cut(payload, []byte(member))
	value = bytes.TrimLeft(value, " ")
	if !found || correlationID == "" || len(value) <= len(correlationID) || value[0] != '"' || string(value[1:1+len(correlationID)]) != correlationID {
		return ""
	}
	return correlationID
}
