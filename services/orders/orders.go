// Package orders takes orders and decides their fate. It is the only place where
// that is decided: inventory and payments say what became of the stock and the
// money, each for itself and in any order, and what follows from that is said
// here, once.
//
//	POST /orders --> order.created ---------------> inventory, payments
//	                                                    |
//	   what is heard becomes pending rows of the   <----+
//	   order's timeline (reactions.go)
//	                  |
//	   the decider claims the orders that have any, draws its conclusions
//	   and says them (decider.go) ----> order.confirmed, order.paid, order.cancelled
//
// Hearing only adds rows, so that two replicas that hear of the same order at the
// same time never wait for each other; deciding claims free orders only. See
// package store for why nothing of this can deadlock.
package orders

import (
	"context"
	"fmt"
	"time"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/idempotency"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

const name = "orders"

// Service is the orders service.
var Service = app.Service{
	Name:       name,
	Port:       8002,
	Owns:       "orders and their fate; copies of prices and stock",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Build:      build,
}

type settings struct {
	// Deadline is how long stock and money have time to answer before an order
	// is cancelled. A reservation should live at least three times as long.
	Deadline time.Duration `env:"ORDER_DEADLINE" envDefault:"2m"`
}

type service struct {
	settings
	db          sqldb.DB
	outbox      *outbox.Outbox
	revocations *auth.Revocations
	now         func() time.Time
	newID       func() string
	metrics     *metrics
	heard       worker.Notifier // wakes the decider
}

func build(env app.Env) (app.Components, error) {
	s := &service{
		db: env.DB, outbox: env.Outbox, revocations: env.Revocations,
		now: env.Now, newID: env.NewID, metrics: newMetrics(env.Registry), heard: worker.NewNotifier(),
	}
	if err := env.Settings(&s.settings); err != nil {
		return app.Components{}, err
	}
	if s.Deadline <= 0 {
		return app.Components{}, fmt.Errorf("ORDER_DEADLINE is %s: it must be positive, for example 2m", s.Deadline)
	}
	return app.Components{
		Routes:   s.routes,
		Handlers: s.reactions(),
		Workers: []worker.Worker{
			// Wake tells of what was heard here; the interval is for what another
			// replica heard, or was busy with when we looked.
			{Name: "decider", Step: s.decide, Interval: 200 * time.Millisecond, Wake: s.heard, BatchSize: store.ClaimSize, Linger: 2 * time.Millisecond},
			{Name: "deadlines", Step: s.cancelOverdue, Interval: time.Second},
		},
	}, nil
}

// place takes an order. The prices are read before the transaction begins, to
// keep it short, but what they forbid is only said inside: a repeated request
// gets its first answer although a product may have gone since.
func (s *service) place(ctx context.Context, w order.Wish, key string, body any) (orderView, error) {
	if err := w.Unique(); err != nil {
		return orderView{}, err
	}
	products, err := store.Products(ctx, s.db, w.Items)
	if err != nil {
		return orderView{}, fmt.Errorf("read prices: %w", err)
	}
	now := s.now()
	var view orderView
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		again := idempotency.Request{Caller: w.UserID, Operation: "POST /orders", Key: key, Body: body}
		view, _, err = idempotency.Once(ctx, tx, again, now, func() (orderView, error) {
			o, err := order.Place(s.newID(), w, products, now, s.Deadline)
			if err != nil {
				return orderView{}, err
			}
			return viewOf(o), s.announce(ctx, tx, o, store.Entry{
				OrderID: o.ID, ID: s.newID(), At: now, Who: "customer", Detail: placed(o, products),
			})
		})
		return err
	})
	orderCommitted.Hit()
	return view, err
}

// announce writes a new order down and says so.
func (s *service) announce(ctx context.Context, tx sqldb.Tx, o *order.Order, e store.Entry) error {
	fact := created(o)
	e.What = fact.EventType()
	var b sqldb.Batch
	if err := store.Insert(&b, o); err != nil {
		return err
	}
	store.NoteIn(&b, e)
	if err := tx.Run(ctx, &b); err != nil {
		return fmt.Errorf("write order %s: %w", o.ID, err)
	}
	orderStored.Hit()
	tx.OnCommit(s.metrics.said.WithLabelValues(e.What, "").Inc)
	return s.outbox.AddPending(ctx, tx, event.Pending{ID: e.ID, Payload: fact})
}

// change has act do to an order what a caller asks for, once per key.
func (s *service) change(ctx context.Context, c auth.Caller, id, verb, key string, act action) (orderView, error) {
	var view orderView
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		again := idempotency.Request{Caller: c.UserID, Operation: "POST /orders/" + id + "/" + verb, Key: key}
		view, _, err = idempotency.Once(ctx, tx, again, s.now(), func() (orderView, error) {
			o, err := store.Lock(ctx, tx, id)
			if err != nil {
				return orderView{}, err
			}
			if !mayRead(c, o) {
				return orderView{}, store.NoOrder()
			}
			if err := s.conclude(ctx, tx, []*order.Order{o}, act); err != nil {
				return orderView{}, err
			}
			return viewOf(o), nil
		})
		return err
	})
	return view, err
}

// cancel ends an order for its customer or an admin.
func (s *service) cancel(ctx context.Context, c auth.Caller, id, key string) (orderView, error) {
	return s.change(ctx, c, id, "cancel", key, func(m *minutes, o *order.Order) error {
		by := order.ByCustomer
		if o.UserID != c.UserID {
			by = order.ByAdmin
		}
		if err := o.Cancel(by); err != nil {
			return err
		}
		m.advance(o, string(by), nil)
		return nil
	})
}

// ship hands the parcel over.
func (s *service) ship(ctx context.Context, c auth.Caller, id, key string) (orderView, error) {
	return s.change(ctx, c, id, "ship", key, func(m *minutes, o *order.Order) error {
		if err := o.Ship(); err != nil {
			return err
		}
		m.say(o, events.OrderShipped{OrderID: o.ID, UserID: o.UserID}, "The parcel is on its way.", "admin", nil)
		return nil
	})
}

// deliver ends an order well.
func (s *service) deliver(ctx context.Context, c auth.Caller, id, key string) (orderView, error) {
	return s.change(ctx, c, id, "deliver", key, func(m *minutes, o *order.Order) error {
		if err := o.Deliver(); err != nil {
			return err
		}
		m.say(o, events.OrderDelivered{OrderID: o.ID, UserID: o.UserID}, "The parcel has arrived.", "admin", nil)
		return nil
	})
}

// mayRead says whether an order is the caller's business.
func mayRead(c auth.Caller, o *order.Order) bool { return c.Role == auth.Admin || o.UserID == c.UserID }
