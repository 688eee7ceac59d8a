package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"

	"troupe/patterns/event"
	"troupe/patterns/retry"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Received is an event as a handler receives it.
type Received[E event.Payload] struct {
	Envelope event.Envelope // Traceparent is the span of this consumer, not the publisher's
	Payload  E
}

// Handler is what a service does when it consumes an event of one type.
type Handler struct {
	Type        string // the event type
	neverGiveUp bool
	idempotent  bool
	// decode returns the *Received[E] that handle takes. It is called outside the
	// transaction, which should be short.
	decode func(event.Envelope) (received, error)
	call   *call
	after  func(ctx context.Context, tx sqldb.Tx, events []event.Envelope) error // nil: nothing
}

// call is how one handler, or several handlers together, handle their events.
type call struct{ handle handleFunc }

// handleFunc handles all events in a batch that are for it.
type handleFunc func(ctx context.Context, tx sqldb.Tx, rs []received) error

// received is a *Received[E] of any E.
type received interface {
	envelope() *event.Envelope
	payload() event.Payload
}

func (r *Received[E]) envelope() *event.Envelope { return &r.Envelope }
func (r *Received[E]) payload() event.Payload    { return r.Payload }

// Option is an option of a handler.
type Option func(*Handler)

// NeverGiveUp makes the inbox retry a failing event forever instead of declaring
// it dead after the last attempt. It is meant for the compensations of a saga:
// an undo that is given up leaves the system inconsistent.
func NeverGiveUp() Option { return func(h *Handler) { h.neverGiveUp = true } }

// Idempotent makes the inbox write no row for the events of this handler: the key of what
// the handler stores shows that an event was handled. An event that is delivered again
// reaches the handler again, at any later time and beside any other event, and must change
// and publish nothing. An event that fails is parked as any other.
func Idempotent() Option { return func(h *Handler) { h.idempotent = true } }

// Handle returns a handler that calls f for one event at a time. The statements of
// f on tx commit together with the record that the event was handled.
func Handle[E event.Payload](f func(ctx context.Context, tx sqldb.Tx, r Received[E]) error, o ...Option) Handler {
	return newHandler[E](func(ctx context.Context, tx sqldb.Tx, rs []received) error {
		for _, r := range rs {
			r := r.(*Received[E])
			ctx := telemetry.WithTraceparent(event.WithCause(ctx, &r.Envelope), r.Envelope.Traceparent)
			if err := f(ctx, tx, *r); err != nil {
				return err
			}
		}
		return nil
	}, o)
}

// Kind is a type of event for HandleTogether.
type Kind struct {
	eventType string
	decode    func(event.Envelope) (received, error)
	options   []Option
}

// KindOf returns the kind of the events whose payload is an E. The options are for this
// kind alone, beside those of HandleTogether.
func KindOf[E event.Payload](o ...Option) Kind {
	var none E
	return Kind{none.EventType(), decodePayload[E], o}
}

// HandleTogether returns a handler for each of the kinds. They call f once for all events
// of these kinds in a batch, in the order in which they arrived. It is meant for frequent
// events, because multi-row statements and pipelined batches cost a fraction of single ones,
// and for events of several types that change the same rows: f can lock the rows of all of
// them at once, in one order, so that two replicas do not deadlock. If f fails, it is called
// again with fewer events, down to one.
func HandleTogether(f func(ctx context.Context, tx sqldb.Tx, rs []Received[event.Payload]) error, kinds []Kind, o ...Option) []Handler {
	together := &call{withRecovery(func(ctx context.Context, tx sqldb.Tx, rs []received) error {
		all := make([]Received[event.Payload], len(rs))
		for i, r := range rs {
			all[i] = Received[event.Payload]{Envelope: *r.envelope(), Payload: r.payload()}
		}
		return f(ctx, tx, all)
	})}
	handlers := make([]Handler, len(kinds))
	for i, k := range kinds {
		handlers[i] = Handler{Type: k.eventType, decode: k.decode, call: together}.with(o).with(k.options)
	}
	return handlers
}

// Then returns a handler that calls f after h, in the same transaction, with the events
// that h has handled. It is for what is done with events of many types alike.
func Then(h Handler, f func(ctx context.Context, tx sqldb.Tx, events []event.Envelope) error) Handler {
	first := h.after
	h.after = func(ctx context.Context, tx sqldb.Tx, events []event.Envelope) error {
		if first != nil {
			if err := first(ctx, tx, events); err != nil {
				return err
			}
		}
		return recovering(func() error { return f(ctx, tx, slices.Clone(events)) }) // f may change them
	}
	return h
}

func newHandler[E event.Payload](handle handleFunc, o []Option) Handler {
	k := KindOf[E]()
	return Handler{Type: k.eventType, decode: k.decode, call: &call{withRecovery(handle)}}.with(o)
}

func (h Handler) with(o []Option) Handler {
	for _, set := range o {
		set(&h)
	}
	return h
}

func decodePayload[E event.Payload](e event.Envelope) (received, error) {
	r := &Received[E]{Envelope: e}
	if err := json.Unmarshal(e.Data, &r.Payload); err != nil {
		return nil, retry.Permanent(fmt.Errorf("read the data of %s: %w", e.Type, err))
	}
	return r, nil
}

// withRecovery turns a panic of handle into an error, so that only the event that
// caused it fails.
func withRecovery(handle handleFunc) handleFunc {
	return func(ctx context.Context, tx sqldb.Tx, rs []received) error {
		return recovering(func() error { return handle(ctx, tx, rs) })
	}
}

func recovering(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
