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

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/idempotency"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// Migrations returns the migrations of a service with a database: those of the
// patterns and its own.
func Migrations(s Service) []fs.FS {
	return []fs.FS{outbox.Migrations, inbox.Migrations, local.Migrations, idempotency.Migrations, auth.Migrations, s.Migrations}
}

// Dependencies are what an Instance needs from its surroundings. Everything but DB,
// JWKS, Ready, After and Jitter is required.
type Dependencies struct {
	Environ   map[string]string
	Version   string
	DB        sqldb.DB // migrated; nil for a service without Migrations
	Publisher bus.Publisher
	JWKS      []byte // keys of access tokens; nil: fetch them from users
	Peers     map[string]string
	Transport http.RoundTripper
	Now       func() time.Time
	NewID     func() string
	Log       *slog.Logger
	Ready     func(context.Context) error
	After     func(time.Duration, func()) // calls later; nil means time.AfterFunc
	Jitter    func() float64              // spreads retries, in [0, 1); nil means at random
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
	// Workers are all its workers: relay, retries, revocations, and its own.
	Workers []worker.Worker
}

// NewInstance wires the service s.
func NewInstance(s Service, w Dependencies) (*Instance, error) {
	i := &Instance{Service: s}
	settings, err := readSettings(w.Environ, w.Log)
	if err != nil {
		return nil, err
	}
	i.Env = Env{
		DB: w.DB, Now: w.Now, NewID: w.NewID,
		After: w.After, Log: w.Log, Registry: prometheus.NewRegistry(), Peers: w.Peers, Transport: w.Transport,
		Settings:   func(into any) error { return parseEnv(w.Environ, w.Log, into) },
		Production: settings.Environment == "production",
	}
	i.Env.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if i.Env.After == nil {
		i.Env.After = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	if s.Migrations != nil {
		i.withDatabase(w)
	}
	i.Env.Verifier = auth.NewVerifier(auth.VerifierConfig{
		JWKSURL: w.Peers["users"] + "/.well-known/jwks.json", Static: w.JWKS,
		Client:      &http.Client{Transport: w.Transport, Timeout: 2 * time.Second},
		Revocations: i.Env.Revocations, DB: w.DB, Now: w.Now,
	})
	if i.Components, err = s.Build(i.Env); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if err := i.newInbox(w.Jitter); err != nil {
		return nil, err
	}
	i.newAPI(w)
	i.Workers = append(i.Workers, i.Components.Workers...)
	if s.Migrations != nil {
		i.Workers = append(i.Workers, idempotency.Sweeper(w.DB, w.Now, settings.IdempotencyKeep))
	}
	return i, nil
}

// withDatabase adds what a service has because it has a database.
func (i *Instance) withDatabase(w Dependencies) {
	i.Env.Outbox = outbox.New(outbox.Config{
		Service: i.Service.Name, DB: w.DB, Publisher: w.Publisher, Now: w.Now, NewID: w.NewID,
	})
	i.Env.Outbox.RegisterMetrics(i.Env.Registry)
	i.Env.Revocations = auth.NewRevocations(w.DB, w.Now)
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
	handlers := slices.Concat(i.Components.Handlers, revocations)
	if err := checkTopology(i.Service, handlers); err != nil || len(handlers) == 0 {
		return err
	}
	i.Inbox = inbox.New(inbox.Config{
		Service: i.Service.Name, DB: i.Env.DB, Handlers: handlers, Now: i.Env.Now, Log: i.Env.Log, Jitter: jitter,
	})
	i.Inbox.RegisterMetrics(i.Env.Registry)
	i.Workers = append(i.Workers, i.Inbox.Workers()...)
	return nil
}

// newAPI makes the HTTP API and its handler.
func (i *Instance) newAPI(w Dependencies) {
	verifier := i.Env.Verifier
	if i.Components.Verifier != nil {
		verifier = i.Components.Verifier
	}
	i.API = httpapi.New(httpapi.Config{
		Service: i.Service.Name, Title: "Troupe " + i.Service.Name, Version: w.Version,
		Verifier: verifier, Log: i.Env.Log, Now: i.Env.Now, Registry: i.Env.Registry, Ready: i.ready(w.Ready),
	})
	if i.Components.Routes != nil {
		i.Components.Routes(i.API)
	}
	if i.Inbox != nil {
		serveDeadLetters(i.API, i.Inbox)
	}
	i.Handler = i.API.Handler()
	if i.Components.HTTPHandler != nil {
		i.Handler = i.Components.HTTPHandler
	}
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
