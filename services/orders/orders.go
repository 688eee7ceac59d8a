package orders

import (
	"context"
	"fmt"
	"time"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/idempotency"
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
	// How long an order waits for stock and payment before it is cancelled.
	// INVENTORY_HOLD_EXPIRY should be at least three times as long.
	Deadline time.Duration `env:"ORDERS_DEADLINE" formerly:"ORDER_DEADLINE" envDefault:"2m"`
}

type service struct {
	app.Env
	settings
	metrics  *metrics
	recorded worker.Notifier // wakes the decider
}

func build(env app.Env) (app.Components, error) {
	s := &service{Env: env, metrics: newMetrics(env.Registry), recorded: worker.NewNotifier()}
	if err := env.Settings(&s.settings); err != nil {
		return app.Components{}, err
	}
	if s.Deadline <= 0 {
		return app.Components{}, fmt.Errorf("ORDERS_DEADLINE is %s: it must be positive, for example 2m", s.Deadline)
	}
	handlers, err := s.handlers()
	if err != nil {
		return app.Components{}, err
	}
	return app.Components{
		Routes:   s.routes,
		Handlers: handlers,
		Workers: []worker.Worker{
			// Wake signals events that this replica has recorded. Interval is for those
			// that another replica has recorded, or had locked when we looked.
			{Name: "decider", Step: s.decideRecorded, Interval: 200 * time.Millisecond, Wake: s.recorded, BatchSize: store.ClaimSize, Linger: 2 * time.Millisecond},
			{Name: "deadlines", Step: s.cancelOverdue, Interval: time.Second},
		},
	}, nil
}

// place takes an order. It reads the prices before the transaction begins, to keep
// the transaction short, but refuses the order only inside: a repeated request gets
// its first answer even if a product has been withdrawn since.
func (s *service) place(ctx context.Context, p order.PlaceOrder, key string, body any) (orderView, error) {
	if err := p.ValidateItems(); err != nil {
		return orderView{}, err
	}
	products, err := store.Products(ctx, s.DB, p.Items)
	if err != nil {
		return orderView{}, fmt.Errorf("read prices: %w", err)
	}
	now := s.Now()
	var view orderView
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		request := idempotency.Request{Caller: p.UserID, Operation: "POST /orders", Key: key, Body: body}
		view, _, err = idempotency.Once(ctx, tx, request, now, func() (orderView, error) {
			o, err := order.Place(s.NewID(), p, products, now, s.Deadline)
			if err != nil {
				return orderView{}, err
			}
			return viewOf(o), s.insert(ctx, tx, o, store.Entry{
				OrderID: o.ID, EventID: s.NewID(), At: now, By: "customer", Detail: placedSentence(o, products),
			})
		})
		return err
	})
	orderCommitted.Hit()
	return view, err
}

// insert stores a new order with its first timeline entry, and publishes
// order.created.
func (s *service) insert(ctx context.Context, tx sqldb.Tx, o *order.Order, e store.Entry) error {
	payload := orderCreated(o)
	e.Type = payload.EventType()
	var b sqldb.Batch
	if err := store.Insert(&b, o); err != nil {
		return err
	}
	store.AppendIn(&b, e)
	if err := tx.Run(ctx, &b); err != nil {
		return fmt.Errorf("insert order %s: %w", o.ID, err)
	}
	orderStored.Hit()
	tx.OnCommit(s.metrics.published.WithLabelValues(e.Type, "").Inc)
	return s.Outbox.AddPending(ctx, tx, event.Pending{ID: e.EventID, Payload: payload})
}

// change applies m to an order for a caller, once per idempotency key.
func (s *service) change(ctx context.Context, c auth.Caller, id, verb, key string, m mutation) (orderView, error) {
	var view orderView
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		request := idempotency.Request{Caller: c.UserID, Operation: "POST /orders/" + id + "/" + verb, Key: key}
		view, _, err = idempotency.Once(ctx, tx, request, s.Now(), func() (orderView, error) {
			o, err := store.Lock(ctx, tx, id)
			if err != nil {
				return orderView{}, err
			}
			if !mayRead(c, o) {
				return orderView{}, store.Missing(id)
			}
			if err := s.process(ctx, tx, []*order.Order{o}, m); err != nil {
				return orderView{}, err
			}
			return viewOf(o), nil
		})
		return err
	})
	return view, err
}

// cancel cancels an order for its customer or an admin.
func (s *service) cancel(ctx context.Context, c auth.Caller, id, key string) (orderView, error) {
	return s.change(ctx, c, id, "cancel", key, func(changes *changeset, o *order.Order) error {
		by := order.ByCustomer
		if o.UserID != c.UserID {
			by = order.ByAdmin
		}
		if err := o.Cancel(by); err != nil {
			return err
		}
		changes.decide(o, string(by), nil)
		return nil
	})
}

// ship marks an order as handed to the carrier.
func (s *service) ship(ctx context.Context, c auth.Caller, id, key string) (orderView, error) {
	return s.change(ctx, c, id, "ship", key, func(changes *changeset, o *order.Order) error {
		if err := o.Ship(); err != nil {
			return err
		}
		changes.publish(o, events.OrderShipped{OrderID: o.ID, UserID: o.UserID}, "Shipped", "admin", nil)
		return nil
	})
}

// deliver marks an order as received by the customer.
func (s *service) deliver(ctx context.Context, c auth.Caller, id, key string) (orderView, error) {
	return s.change(ctx, c, id, "deliver", key, func(changes *changeset, o *order.Order) error {
		if err := o.Deliver(); err != nil {
			return err
		}
		changes.publish(o, events.OrderDelivered{OrderID: o.ID, UserID: o.UserID}, "Delivered", "admin", nil)
		return nil
	})
}

// mayRead reports whether c may see and change o.
func mayRead(c auth.Caller, o *order.Order) bool { return c.Role == auth.Admin || o.UserID == c.UserID }
