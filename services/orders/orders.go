package orders

import (
	"context"
	"fmt"
	"time"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/feed"
	"troupe/patterns/groupcommit"
	"troupe/patterns/idempotency"
	"troupe/patterns/republish"
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
	Publishes:  events.Published("orders"),
	Schema:     events.Schema,
	Build:      build,
}

type settings struct {
	// How long an order waits for stock and payment before it is cancelled. Time in which
	// the service does not run does not count. INVENTORY_HOLD_EXPIRY should be at least three times as long.
	Deadline time.Duration `env:"ORDERS_DEADLINE" formerly:"ORDER_DEADLINE" envDefault:"2m"`
	// How long it may take under load until an order is paid; at most a quarter of ORDERS_DEADLINE.
	// If new orders would take longer, they are refused with 503 (orders_overloaded).
	AdmissionWait time.Duration `env:"ORDERS_ADMISSION_WAIT" envDefault:"4s"`
	// How many orders may be unfinished as long as the service has not measured, under load, how
	// many it can finish in ORDERS_ADMISSION_WAIT.
	AdmissionFirst int `env:"ORDERS_ADMISSION_FIRST" envDefault:"1000"`
	// How many undecided orders a customer may have at a time; 0 means any number.
	MaxUndecided int `env:"ORDERS_MAX_UNDECIDED_PER_CUSTOMER" envDefault:"20"`
	// How much of one product a customer may have in undecided orders; also the largest
	// quantity in one order.
	MaxQuantity int64 `env:"ORDERS_MAX_UNDECIDED_QUANTITY" envDefault:"1000"`
	// How long the timeline of an order is kept after the order was finished; 0 means as long as
	// the order.
	TimelineKeep time.Duration `env:"ORDERS_TIMELINE_KEEP" envDefault:"8760h"`
	// How many live streams of orders each replica has at a time.
	Streams int `env:"ORDERS_STREAMS" envDefault:"1000"`
	// How many of them one user has on a replica: one for each order that a page shows.
	StreamsPerUser int `env:"ORDERS_STREAMS_PER_USER" envDefault:"16"`
}

type service struct {
	app.Env
	settings
	metrics *metrics
	backlog *backlog
	quota   *quota
	placing *groupcommit.Group[*placement]
	waiting worker.Notifier // wakes the decider
	changes *feed.Feed      // wakes the live streams of orders

	retention retention
}

func build(env app.Env) (app.Components, error) {
	s := &service{Env: env, waiting: worker.NewNotifier(), placing: groupcommit.New[*placement](placedTogether, placingAtOnce)}
	if err := env.Settings(&s.settings); err != nil {
		return app.Components{}, err
	}
	if err := s.settings.check(); err != nil {
		return app.Components{}, err
	}
	s.backlog = newBacklog(s.settings, env.Now)
	s.quota = &quota{orders: s.MaxUndecided, quantity: s.MaxQuantity, placing: map[string]int{}}
	s.metrics = newMetrics(env.Registry, s.backlog)
	s.changes = s.newFeed()
	s.changes.RegisterMetrics(env.Registry)
	handlers, err := s.handlers()
	if err != nil {
		return app.Components{}, err
	}
	return app.Components{
		Routes:   s.routes,
		Handlers: handlers,

		Projections: []republish.Projection{{Name: "products", Empty: store.NoProducts}},
		Workers: []worker.Worker{
			// Wake signals events that this replica has recorded. Interval is for those
			// that another replica has recorded, or had locked when we looked.
			{Name: "decider", Step: s.decideRecorded, Interval: 200 * time.Millisecond, Wake: s.waiting, BatchSize: store.ClaimSize, Linger: 2 * time.Millisecond},
			{Name: "deadlines", Step: s.cancelOverdue, Interval: time.Second},
			{Name: "backlog", Step: s.measureBacklog, Interval: 250 * time.Millisecond},
			{Name: "erasure", Background: true, Step: s.eraseRests, Interval: time.Hour},
			{Name: "retention", Step: s.forgetTimelines, Interval: retentionEvery},
			s.changes.Worker(feedEvery),
		},
		Stopping: s.changes.Stop,
	}, nil
}

// check returns an error that names a setting whose value cannot work.
func (s settings) check() error {
	switch {
	case s.Deadline <= 0:
		return fmt.Errorf("ORDERS_DEADLINE is %s: it must be positive, for example 2m", s.Deadline)
	case s.AdmissionWait <= 0:
		return fmt.Errorf("ORDERS_ADMISSION_WAIT is %s: it must be positive, for example 4s", s.AdmissionWait)
	case s.AdmissionFirst < 1:
		return fmt.Errorf("ORDERS_ADMISSION_FIRST is %d: it must be at least 1, for example 1000", s.AdmissionFirst)
	case s.MaxUndecided < 0:
		return fmt.Errorf("ORDERS_MAX_UNDECIDED_PER_CUSTOMER is %d: it must be at least 1, or 0 for any number", s.MaxUndecided)
	case s.TimelineKeep != 0 && s.TimelineKeep < 24*time.Hour:
		return fmt.Errorf("ORDERS_TIMELINE_KEEP is %s: it must be at least 24h, for example 8760h, or 0 for as long as the order", s.TimelineKeep)
	case s.Streams < 1:
		return fmt.Errorf("ORDERS_STREAMS is %d: it must be at least 1, for example 1000", s.Streams)
	case s.StreamsPerUser < 1:
		return fmt.Errorf("ORDERS_STREAMS_PER_USER is %d: it must be at least 1, for example 16", s.StreamsPerUser)
	case s.MaxQuantity < 1:
		return fmt.Errorf("ORDERS_MAX_UNDECIDED_QUANTITY is %d: it must be at least 1, for example 1000", s.MaxQuantity)
	}
	return nil
}

// eraseRests erases what is left of erased addresses.
func (s *service) eraseRests(ctx context.Context) (int, error) { return store.EraseRests(ctx, s.DB) }

// change applies m to an order for a caller, once per idempotency key.
func (s *service) change(ctx context.Context, c auth.Caller, id, verb, key string, m mutation) (orderView, error) {
	var view orderView
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		request := idempotency.Request{Caller: c.UserID, Operation: "POST /orders/" + id + "/" + verb, Key: key}
		var changed *order.Order
		stored, replayed, err := idempotency.Once(ctx, tx, request, s.Now(), func() (v orderView, err error) {
			if changed, err = s.changeIn(ctx, tx, c, id, verb, m); err != nil {
				return v, err
			}
			return storableViewOf(changed), nil
		})
		if replayed {
			changed, err = store.Get(ctx, tx, id)
		}
		if err != nil {
			return err
		}
		view = stored
		view.setAddress(changed.ShipTo)
		return nil
	})
	return view, err
}

// changeIn applies m to an order, and records what an admin does.
func (s *service) changeIn(ctx context.Context, tx sqldb.Tx, c auth.Caller, id, verb string, m mutation) (*order.Order, error) {
	o, err := store.Lock(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if !mayRead(c, o) {
		return nil, store.Missing(id)
	}
	if err := s.process(ctx, tx, []*order.Order{o}, nil, m); err != nil || c.Role != auth.Admin {
		return o, err
	}
	return o, s.Audit.Record(ctx, tx, audit.Entry{Action: verb + "_order", Target: id})
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
