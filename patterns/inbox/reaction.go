package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Received is a fact as it was heard.
type Received[E event.Payload] struct {
	Envelope event.Envelope // the envelope; Traceparent is this hearer's own part of the trace
	Payload  E
}

// Handler is what a service does when it hears one type of event.
type Handler struct {
	Type        string // the event type
	neverGiveUp bool
	// decode gives the *Received[E] that react takes. It runs outside of the
	// transaction, which should be short.
	decode func(event.Envelope) (received, error)
	react  func(ctx context.Context, tx sqldb.Tx, rs []received) error
}

// received is a *Received[E] of whatever E.
type received interface{ envelope() *event.Envelope }

func (r *Received[E]) envelope() *event.Envelope { return &r.Envelope }

// Option of a reaction.
type Option func(*Handler)

// NeverGiveUp keeps a failing event on trial for ever instead of declaring it
// dead after the last try: for compensations.
func NeverGiveUp() Option { return func(r *Handler) { r.neverGiveUp = true } }

// Handle reacts to one event at a time. f's statements on tx commit together with
// the record that the event was handled.
func Handle[E event.Payload](f func(ctx context.Context, tx sqldb.Tx, r Received[E]) error, o ...Option) Handler {
	return reaction[E](func(ctx context.Context, tx sqldb.Tx, rs []received) error {
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

// HandleBatch reacts to all events of one type in a batch at once, in the order they
// came, for reactions that are many: multi-row statements and pipelined
// batches cost a fraction. If it fails it is called again with fewer and fewer,
// down to one.
func HandleBatch[E event.Payload](f func(ctx context.Context, tx sqldb.Tx, rs []Received[E]) error, o ...Option) Handler {
	return reaction[E](func(ctx context.Context, tx sqldb.Tx, rs []received) error {
		all := make([]Received[E], len(rs))
		for i, r := range rs {
			all[i] = *r.(*Received[E])
		}
		return f(ctx, tx, all)
	}, o)
}

func reaction[E event.Payload](react func(context.Context, sqldb.Tx, []received) error, o []Option) Handler {
	var none E
	r := Handler{Type: none.EventType(), decode: decode[E], react: recovering(react)}
	for _, set := range o {
		set(&r)
	}
	return r
}

func decode[E event.Payload](e event.Envelope) (received, error) {
	r := &Received[E]{Envelope: e}
	if err := json.Unmarshal(e.Data, &r.Payload); err != nil {
		return nil, Permanent(fmt.Errorf("read the data of %s: %w", e.Type, err))
	}
	return r, nil
}

// recovering makes a panic an error, so that it costs only its own event.
func recovering(react func(context.Context, sqldb.Tx, []received) error) func(context.Context, sqldb.Tx, []received) error {
	return func(ctx context.Context, tx sqldb.Tx, rs []received) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return react(ctx, tx, rs)
	}
}

// Permanent marks an error that trying again can not mend: the event is dead at once.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func isPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}
