package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

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
	// decode returns the *Received[E] that handle takes. It is called outside the
	// transaction, which should be short.
	decode func(event.Envelope) (received, error)
	handle handleFunc
}

// handleFunc handles all events of its type in a batch.
type handleFunc func(ctx context.Context, tx sqldb.Tx, rs []received) error

// received is a *Received[E] of any E.
type received interface{ envelope() *event.Envelope }

func (r *Received[E]) envelope() *event.Envelope { return &r.Envelope }

// Option is an option of a handler.
type Option func(*Handler)

// NeverGiveUp makes the inbox retry a failing event forever instead of declaring
// it dead after the last attempt. It is meant for the compensations of a saga:
// an undo that is given up leaves the system inconsistent.
func NeverGiveUp() Option { return func(h *Handler) { h.neverGiveUp = true } }

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

// HandleBatch returns a handler that calls f for all events of one type in a batch
// at once, in the order in which they arrived. It is meant for frequent events:
// multi-row statements and pipelined batches cost a fraction of single ones. If f
// fails, it is called again with fewer events, down to one.
func HandleBatch[E event.Payload](f func(ctx context.Context, tx sqldb.Tx, rs []Received[E]) error, o ...Option) Handler {
	return newHandler[E](func(ctx context.Context, tx sqldb.Tx, rs []received) error {
		all := make([]Received[E], len(rs))
		for i, r := range rs {
			all[i] = *r.(*Received[E])
		}
		return f(ctx, tx, all)
	}, o)
}

func newHandler[E event.Payload](handle handleFunc, o []Option) Handler {
	var none E
	h := Handler{Type: none.EventType(), decode: decodePayload[E], handle: withRecovery(handle)}
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
	return func(ctx context.Context, tx sqldb.Tx, rs []received) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return handle(ctx, tx, rs)
	}
}
