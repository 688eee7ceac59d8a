// Package payments moves the money of orders: it has it authorised when an order
// is created, captured when it is confirmed, and given back when it is
// cancelled. It hears only of orders, and states what became of their money.
//
// Hearing and doing are apart. A reaction only notes what the order wants; the
// worker in calls.go calls the provider, outside of any transaction.
package payments

import (
	"time"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

// Service is all that the rest of the system sees of this package.
var Service = app.Service{
	Name:       "payments",
	Port:       8005,
	Owns:       "payments and the provider's answers",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Build:      build,
}

type settings struct {
	// ProviderDelays has the built-in provider take its time where a payment
	// method says so. Without, it answers at once, and time-outs come at once.
	ProviderDelays bool `env:"PROVIDER_DELAYS" envDefault:"true"`
}

type service struct {
	db          sqldb.DB
	outbox      *outbox.Outbox
	revocations *auth.Revocations
	now         func() time.Time
	newID       func() string
	provider    *provider.Provider
	mailbox     *mailbox
	auditor     *auditor
}

func build(env app.Env) (app.Components, error) {
	var c settings
	if err := env.Settings(&c); err != nil {
		return app.Components{}, err
	}
	after := env.After
	if !c.ProviderDelays {
		after = func(_ time.Duration, f func()) { f() }
	}
	s := &service{
		db: env.DB, outbox: env.Outbox, revocations: env.Revocations, now: env.Now, newID: env.NewID,
		provider: &provider.Provider{DB: env.DB, Now: env.Now, After: after, Log: env.Log},
		mailbox:  newMailbox(),
		auditor:  newAuditor(env.Registry),
	}
	return app.Components{
		Routes: s.routes,
		Handlers: []inbox.Handler{
			inbox.HandleBatch(s.orderCreated),
			inbox.HandleBatch(s.orderConfirmed),
			inbox.HandleBatch(s.orderCancelled, inbox.NeverGiveUp()),
		},
		Workers: []worker.Worker{
			{Name: "provider calls", Step: s.callProvider, Interval: time.Second, Wake: s.mailbox.bell},
			{Name: "reconciliation", Step: s.reconcile, Interval: 10 * time.Minute},
		},
	}, nil
}
