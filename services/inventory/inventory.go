// Package inventory offers products and keeps their stock. It reserves the stock
// of an order when the order is created, commits it when the order is confirmed,
// and returns it when the order is cancelled. It makes no decision about an order:
// it publishes what happened to the stock.
package inventory

import (
	"context"
	"fmt"
	"time"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/deadline"
	"troupe/patterns/inbox"
	"troupe/patterns/republish"
	"troupe/patterns/worker"
	"troupe/services/inventory/internal/store"
)

// Service is the inventory service.
var Service = app.Service{
	Name:       "inventory",
	Port:       8004,
	Owns:       "products, stock, reservations",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Publishes:  events.Published("inventory"),
	Schema:     events.Schema,
	Build:      build,
}

type settings struct {
	// How long stock is set aside for an order that is not decided. This is only a
	// backstop: choose several times ORDERS_DEADLINE.
	HoldExpiry time.Duration `env:"INVENTORY_HOLD_EXPIRY" formerly:"HOLD_EXPIRY" envDefault:"6m"`
	// Whether the first start fills an empty catalogue with products for a demonstration.
	DemoCatalogue bool `env:"INVENTORY_DEMO_CATALOGUE" formerly:"DEMO_CATALOGUE" envDefault:"true"`
}

type service struct {
	app.Env
	settings
	clock *deadline.Clock // of the holds
}

// sweepInterval is how often expired holds are looked for. What passes between two looks
// beyond twice that is time in which the service did not run.
const sweepInterval = 10 * time.Second

func build(env app.Env) (app.Components, error) {
	s := &service{Env: env}
	if err := env.Settings(&s.settings); err != nil {
		return app.Components{}, err
	}
	if s.HoldExpiry <= 0 {
		return app.Components{}, fmt.Errorf("INVENTORY_HOLD_EXPIRY is %s: it must be positive, for example 6m", s.HoldExpiry)
	}
	s.clock = deadline.NewClock(s.HoldExpiry, 2*sweepInterval, s.Now())
	if s.DemoCatalogue {
		if err := s.offerDemo(context.Background()); err != nil {
			return app.Components{}, fmt.Errorf("fill the demo catalogue: %w", err)
		}
	}
	return app.Components{
		Routes:   s.routes,
		Handlers: s.handlers(),

		Republishes: []republish.Source{{
			Name: "products", Types: []string{events.ProductChanged{}.EventType(), events.StockChanged{}.EventType()}, Page: productsPage,
		}},
		Workers: []worker.Worker{
			{Name: "hold expiry", Step: s.expireHolds, Interval: sweepInterval},
		},
	}, nil
}

// handlers returns the event handlers. They need no rows in the inbox, because a command
// that a reservation has seen changes nothing. Returning stock is a compensation: it is
// tried until it succeeds.
func (s *service) handlers() []inbox.Handler {
	return inbox.HandleTogether(s.handle, []inbox.Kind{
		inbox.KindOf[events.OrderCreated](), inbox.KindOf[events.OrderConfirmed](), inbox.KindOf[events.OrderCancelled](inbox.NeverGiveUp()),
	}, inbox.Idempotent())
}
