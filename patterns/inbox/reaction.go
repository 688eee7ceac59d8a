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
type Received[E event.Fact] struct {
	Event event.Event // the envelope
	Fact  E
}

// Because drafts a fact that follows from this one.
func (r Received[E]) Because(fact event.Fact) event.Draft {
	return event.Draft{Fact: fact, Cause: &r.Event}
}

// Reaction is what a service does when it hears one type of event.
type Reaction struct {
	Type        string // the event type
	neverGiveUp bool
	// decode gives the *Received[E] that react takes. It runs outside of the
	// transaction, which should be short.
	decode func(event.Event) (any, error)
	react  func(ctx context.Context, tx sqldb.Tx, received []any) error
}

// Option of a reaction.
type Option func(*Reaction)

// NeverGiveUp keeps a failing event on trial for ever instead of declaring it
// dead after the last try: for compensations.
func NeverGiveUp() Option { return func(r *Reaction) { r.neverGiveUp = true } }

// On reacts to one event at a time. f's statements on tx commit together with
// the record that the event was handled.
func On[E event.Fact](f func(ctx context.Context, tx sqldb.Tx, r Received[E]) error, o ...Option) Reaction {
	return reaction[E](func(ctx context.Context, tx sqldb.Tx, received []any) error {
		for _, r := range received {
			r := r.(*Received[E])
			ctx := telemetry.WithTraceparent(event.WithCause(ctx, &r.Event), r.Event.Traceparent)
			if err := f(ctx, tx, *r); err != nil {
				return err
			}
		}
		return nil
	}, o)
}

// OnBatch reacts to all events of one type in a batch at once, in the order they
// came, for reactions that are many: multi-row statements and pipelined
// batches cost a fraction. If it fails it is called again with one at a time.
func OnBatch[E event.Fact](f func(ctx context.Context, tx sqldb.Tx, rs []Received[E]) error, o ...Option) Reaction {
	return reaction[E](func(ctx context.Context, tx sqldb.Tx, received []any) error {
		rs := make([]Received[E], len(received))
		for i, r := range received {
			rs[i] = *r.(*Received[E])
		}
		return f(ctx, tx, rs)
	}, o)
}

func reaction[E event.Fact](react func(context.Context, sqldb.Tx, []any) error, o []Option) Reaction {
	var none E
	r := Reaction{Type: none.EventType(), decode: decode[E], react: recovering(react)}
	for _, set := range o {
		set(&r)
	}
	return r
}

func decode[E event.Fact](e event.Event) (any, error) {
	r := &Received[E]{Event: e}
	if err := json.Unmarshal(e.Data, &r.Fact); err != nil {
		return nil, Permanent(fmt.Errorf("read the data of %s: %w", e.Type, err))
	}
	return r, nil
}

// recovering makes a panic an error, so that it costs only its own event.
func recovering(react func(context.Context, sqldb.Tx, []any) error) func(context.Context, sqldb.Tx, []any) error {
	return func(ctx context.Context, tx sqldb.Tx, received []any) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return react(ctx, tx, received)
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
