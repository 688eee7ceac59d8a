package app

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"troupe/patterns/audit"
	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/eventfeed"
	"troupe/patterns/idempotency"
	"troupe/patterns/inbox"
	"troupe/patterns/journal"
	"troupe/patterns/outbox"
	"troupe/patterns/republish"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/chaos"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// Migrations returns the migrations of a service with a database: those of the
// patterns and its own.
func Migrations(s Service) []fs.FS {
	return []fs.FS{outbox.Migrations, inbox.Migrations, local.Migrations, idempotency.Migrations, auth.Migrations, audit.Migrations, republish.Migrations, s.Migrations}
}

// Dependencies are what an Instance needs from its surroundings. Everything but DB,
// JWKS, Journal, Kept, Lookup, TransportKeeping, Ready, Live, After and Jitter is required.
type Dependencies struct {
	Environ   map[string]string
	Version   string
	DB        sqldb.DB // migrated; nil for a service without Migrations
	Publisher bus.Publisher
	JWKS      []byte // keys of access tokens; nil: fetch them from users
	Peers     map[string]string
	Transport http.RoundTripper
	Lookup    func(ctx context.Context, host string) ([]string, error) // nil: by DNS
	// TransportKeeping returns a transport that keeps connections for so long; nil: there is
	// only Transport.
	TransportKeeping func(keepAlive time.Duration) http.RoundTripper
	Now              func() time.Time
	NewID            func() string
	Log              *slog.Logger
	Journal          *journal.Journal // nil: nothing is recorded
	Kept             *journal.Kept    // what the console asks for; nil: it is sent
	Ready            func(context.Context) error
	Live             func() string               // returns why the process has to be restarted, or ""; nil means that it never has
	Impaired         func() string               // returns why the bus cannot be used now, "" if it can; nil means that it always can
	After            func(time.Duration, func()) // calls later; nil means time.AfterFunc
	Jitter           func() float64              // spreads retries, in [0, 1); nil means at random
	Faults           *chaos.Faults               // those that the lab can cause; nil means that there is no lab
}

// Instance is one service, wired but not running. Its handler can be called, its inbox
// can be given deliveries, and its workers can be stepped.
type Instance struct {
	Service    Service
	Env        Env
	Components Components
	API        *httpapi.API
	Handler    http.Handler
	Inbox      *inbox.Inbox // nil if it consumes no events

	republisher *republish.Publisher
	// Workers are all its workers: relay, retries, revocations, and its own.
	Workers []worker.Worker

	settings  settingsRead
	eventFeed *eventfeed.Feed // nil unless programs outside can read the events
}

// NewInstance wires the service s.
func NewInstance(s Service, w Dependencies) (*Instance, error) {
	i := &Instance{Service: s}
	settings, err := readSettings(w.Environ, w.Log)
	if err != nil {
		return nil, err
	}
	if w.Environ, err = tidyServiceSettings(w.Environ, []Service{s}); err != nil {
		return nil, err
	}
	i.Env = Env{
		DB: w.DB, Now: w.Now, NewID: w.NewID,
		After: w.After, Log: w.Journal.Recorder(s.Name).Logger(w.Log, eventOf), Journal: w.Journal.Recorder(s.Name), Registry: prometheus.NewRegistry(), Peers: w.Peers, Transport: w.Transport, Lookup: w.Lookup,
		Settings: func(into any) error {
			if err := parseEnv(w.Environ, w.Log, into); err != nil {
				return err
			}
			i.settings.add(into)
			return nil
		},
		Production: settings.Environment == "production",
		Faults:     w.Faults,
	}
	i.Env.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registerBuildInfo(i.Env.Registry, s.Name, w.Version)
	if i.Env.TransportKeeping = w.TransportKeeping; i.Env.TransportKeeping == nil {
		i.Env.TransportKeeping = func(time.Duration) http.RoundTripper { return w.Transport }
	}
	if i.Env.After == nil {
		i.Env.After = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	if s.Migrations != nil {
		i.withDatabase(w, settings)
	}
	i.Env.Verifier = auth.NewVerifier(auth.VerifierConfig{
		JWKSURL: w.Peers["users"] + "/.well-known/jwks.json", Static: w.JWKS,
		Client:      &http.Client{Transport: w.Transport, Timeout: 2 * time.Second},
		Revocations: i.Env.Revocations, DB: w.DB, Now: w.Now,
	})
	if i.Components, err = s.Build(i.Env); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	i.republisher = i.newRepublisher(settings.RepublishRate)
	if err := i.newInbox(w.Jitter); err != nil {
		return nil, err
	}
	if err := i.newAPI(w, settings); err != nil {
		return nil, err
	}
	i.Workers = append(i.Workers, i.Components.Workers...)
	i.addProjections()
	if s.Migrations != nil {
		i.Workers = append(i.Workers, idempotency.Sweeper(w.DB, w.Now, settings.IdempotencyKeep), i.Env.Audit.Retention(settings.AuditKeep))
	}
	return i, nil
}

// withDatabase adds what a service has because it has a database.
func (i *Instance) withDatabase(w Dependencies, settings Settings) {
	i.Env.Outbox = outbox.New(outbox.Config{
		Service: i.Service.Name, DB: w.DB, Topology: i.Service.Topology, Schemas: settings.EventSchemas,
		Publisher: w.Publisher, Now: w.Now, NewID: w.NewID,
		Unconsumed: settings.EventsPublic, Log: settings.EventsPublic, Journal: i.Env.Journal,
	})
	i.Env.Outbox.RegisterMetrics(i.Env.Registry)
	i.Env.Revocations = auth.NewRevocations(w.DB, w.Now)
	i.Env.Audit = audit.New(audit.Config{Service: i.Service.Name, DB: w.DB, Now: w.Now, NewID: w.NewID, Log: w.Log})
	i.Env.Audit.RegisterMetrics(i.Env.Registry)
	i.Workers = append(i.Workers, i.Env.Outbox.Relay(),
		worker.Worker{Name: "revocations", Step: i.Env.Revocations.Step, Interval: time.Second})
}

// loadRevocations reads which sessions are revoked, before the first request comes.
func (i *Instance) loadRevocations(ctx context.Context) error {
	if i.Env.Revocations == nil {
		return nil
	}
	if _, err := i.Env.Revocations.Step(ctx); err != nil {
		return fmt.Errorf("%s: read the revoked sessions: %w", i.Service.Name, err)
	}
	return nil
}

// newInbox makes the inbox, if the service handles any events. The handlers must be
// those for the events that the topology delivers to the service.
func (i *Instance) newInbox(jitter func() float64) error {
	revocations, err := i.revocationHandlers()
	if err != nil {
		return err
	}
	handlers := slices.Concat(i.Components.Handlers, revocations, i.requestHandlers())
	if err := checkTopology(i.Service, handlers); err != nil || len(handlers) == 0 {
		return err
	}
	i.Inbox = inbox.New(inbox.Config{
		Service: i.Service.Name, DB: i.Env.DB, Handlers: handlers, Now: i.Env.Now, Log: i.Env.Log, Jitter: jitter, Journal: i.Env.Journal,
	})
	i.Inbox.RegisterMetrics(i.Env.Registry)
	i.Workers = append(i.Workers, i.Inbox.Workers()...)
	return nil
}

// newAPI makes the HTTP API and its handler.
func (i *Instance) newAPI(w Dependencies, settings Settings) error {
	hideDocs, err := i.Service.hidesDocs(w.Environ)
	if err != nil {
		return err
	}
	verifier := i.Env.Verifier
	if i.Components.Verifier != nil {
		verifier = i.Components.Verifier
	}
	i.API = httpapi.New(httpapi.Config{
		Service: i.Service.Name, Title: "Troupe " + i.Service.Name, Version: w.Version,
		Verifier: verifier, Log: i.Env.Log, Now: i.Env.Now, Registry: i.Env.Registry, Ready: i.ready(w.Ready), Live: w.Live,
		Degraded: i.degraded(w.Impaired), HideDocs: hideDocs, HideMetrics: i.Service.metricsAddress(w.Environ) != "",
		TrustForwardedFor: settings.TrustForwardedFor || i.Components.HTTPHandler != nil,
		AdminCalled:       i.auditAdminCall, Served: i.Env.Journal.Served,
	})
	if i.Components.Routes != nil {
		i.Components.Routes(i.API)
	}
	if i.Inbox != nil {
		serveDeadLetters(i.API, i.Env, i.Inbox)
	}
	i.settings.add(&settings)
	i.serveSettings()
	serveJournal(i.API, instanceName(), w.Kept)
	serveLab(i.API, i.Service, i.Env)
	if i.Env.Audit != nil {
		serveAuditLog(i.API, i.Service.Name, i.Env.Audit)
		i.keepAuditOfOthers(w, settings)
	}
	if err := i.newEventFeed(settings); err != nil {
		return err
	}
	i.Handler = i.API.Handler()
	if i.Components.Middleware != nil {
		i.Handler = i.Components.Middleware(i.Handler)
	}
	i.Handler = audit.Middleware(i.Handler)
	if i.Components.HTTPHandler != nil {
		i.Handler = i.Components.HTTPHandler
	}
	return nil
}

// newEventFeed serves the events of the service to programs outside.
func (i *Instance) newEventFeed(settings Settings) error {
	if i.Service.Schema == nil || i.Env.Outbox == nil {
		return nil
	}
	a := &eventsAPI{env: i.Env}
	if settings.EventsPublic {
		var err error
		a.feed, err = eventfeed.New(eventfeed.Config{
			Service: i.Service.Name, Types: i.Service.Publishes, DB: i.Env.DB, Outbox: i.Env.Outbox, Schema: i.Service.Schema,
			Now: i.Env.Now, NewID: i.Env.NewID, Keep: settings.EventsKeep, Most: settings.EventsMost,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", i.Service.Name, err)
		}
		i.eventFeed = a.feed
		i.Workers = append(i.Workers, a.feed.Workers()...)
	}
	serveEvents(i.API, i.Service.Name, a)
	return nil
}

// ready returns the readiness check: the process must be ready and the database must
// answer.
func (i *Instance) ready(process func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if process != nil {
			if err := process(ctx); err != nil {
				return err
			}
		}
		if i.Env.DB == nil {
			return nil
		}
		if err := i.Env.DB.Ping(ctx); err != nil {
			return fmt.Errorf("the database does not answer: %w", err)
		}
		return nil
	}
}

// degraded returns the check of what the service needs for a part of its work: a
// service that publishes or consumes events needs the broker, but takes requests
// without it.
func (i *Instance) degraded(impaired func() string) func() string {
	return func() string {
		if i.Env.Outbox == nil || impaired == nil {
			return ""
		}
		reason := impaired()
		if reason == "" {
			return ""
		}
		return reason + ": requests are carried out, and events are published and handled when it is back"
	}
}
