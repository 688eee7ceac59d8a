// Package inventory offers products and keeps their stock. It sets aside what
// an order wants when the order is created, lets it go for good when the order
// is confirmed, and puts it back when the order is cancelled. It never decides
// about an order: it states what is there.
package inventory

import (
	"context"
	"fmt"
	"time"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/inventory/internal/store"
)

// Service is all that the rest of the system sees of this package.
var Service = app.Service{
	Name:       "inventory",
	Port:       8004,
	Owns:       "products, stock, reservations",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Build:      build,
}

type settings struct {
	// HoldExpiry is how long stock is set aside for an order that nobody
	// decides about: a backstop, several times the deadline that orders sets itself.
	HoldExpiry time.Duration `env:"HOLD_EXPIRY" envDefault:"6m"`
	// DemoCatalogue fills an empty catalogue at the first start.
	DemoCatalogue bool `env:"DEMO_CATALOGUE" envDefault:"true"`
}

type service struct {
	db          sqldb.DB
	outbox      *outbox.Outbox
	revocations *auth.Revocations
	now         func() time.Time
	newID       func() string
	holdExpiry  time.Duration
}

func build(env app.Env) (app.Components, error) {
	var c settings
	if err := env.Settings(&c); err != nil {
		return app.Components{}, err
	}
	if c.HoldExpiry <= 0 {
		return app.Components{}, fmt.Errorf("HOLD_EXPIRY is %s: it must be positive, for example 6m", c.HoldExpiry)
	}
	s := &service{
		db: env.DB, outbox: env.Outbox, revocations: env.Revocations,
		now: env.Now, newID: env.NewID, holdExpiry: c.HoldExpiry,
	}
	if c.DemoCatalogue {
		if err := s.offerDemo(context.Background()); err != nil {
			return app.Components{}, fmt.Errorf("fill the demo catalogue: %w", err)
		}
	}
	return app.Components{
		Routes: s.routes,
		Handlers: []inbox.Handler{
			inbox.HandleBatch(s.orderCreated),
			inbox.HandleBatch(s.orderConfirmed),
			inbox.HandleBatch(s.orderCancelled, inbox.NeverGiveUp()),
		},
		Workers: []worker.Worker{
			{Name: "hold expiry", Step: s.expireHolds, Interval: 10 * time.Second},
		},
	}, nil
}
