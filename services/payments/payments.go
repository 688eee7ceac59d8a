package payments

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/inbox"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

// Service is the payments service.
var Service = app.Service{
	Name:       "payments",
	Port:       8005,
	Owns:       "payments and the provider's responses",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Publishes:  events.Published("payments"),
	Schema:     events.Schema,
	Build:      build,
}

type settings struct {
	// Whether the built-in payment provider delays its responses for the payment
	// methods that are slow or time out. If false, every response and every timeout
	// comes at once.
	ProviderDelays bool `env:"PAYMENTS_PROVIDER_DELAYS" formerly:"PROVIDER_DELAYS" envDefault:"true"`
}

type service struct {
	app.Env
	settings
	provider *provider.Provider
	calls    *calls
	looked   time.Time // when dispatch last looked for operations without a lease
	auditor  *auditor
	answers  *prometheus.CounterVec // of the provider
}

func build(env app.Env) (app.Components, error) {
	s := newService(env)
	if err := env.Settings(&s.settings); err != nil {
		return app.Components{}, err
	}
	if !s.ProviderDelays {
		s.provider.After = func(_ time.Duration, f func()) { f() }
	}
	return app.Components{
		Routes:   s.routes,
		Handlers: s.handlers(),
		Workers: []worker.Worker{
			{Name: "dispatch", Step: s.dispatch, Interval: time.Second, Wake: s.calls.due, BatchSize: claimBatch},
			// Linger lets the responses to one batch of calls arrive together.
			{Name: "record", Step: s.record, Interval: time.Second, Wake: s.calls.arrived, BatchSize: recordBatch, Linger: time.Millisecond},
			// A step that does less than BatchSize is followed by a wait. So a pass over
			// many payments takes longer, and not more of the database.
			{Name: "reconciliation", Step: s.reconcile, Interval: 2 * time.Minute, BatchSize: auditPage + 1},
		},
		Drain: s.drain,
	}, nil
}

func newService(env app.Env) *service {
	outage := env.Faults.Switch("provider", "the payment provider cannot be reached")
	return &service{
		Env:      env,
		provider: &provider.Provider{DB: sqldb.Unreachable(env.DB, outage.On), Now: env.Now, After: env.After, Log: env.Log},
		calls:    newCalls(),
		auditor:  newAuditor(env.Registry),
		answers:  newCallMetrics(env.Registry),
	}
}

// handlers returns the event handlers. They need no rows in the inbox, because a command
// that a payment has seen changes nothing. Voiding and refunding are compensations: they
// are tried until they succeed.
func (s *service) handlers() []inbox.Handler {
	return inbox.HandleTogether(s.handle, []inbox.Kind{
		inbox.KindOf[events.OrderCreated](), inbox.KindOf[events.OrderConfirmed](), inbox.KindOf[events.OrderCancelled](inbox.NeverGiveUp()),
	}, inbox.Idempotent())
}
