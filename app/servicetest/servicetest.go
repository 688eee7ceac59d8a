// Package servicetest runs one real service for a test, on each database, and uses it
// as its clients do: by HTTP and by events. Tests read as the business: requested,
// consumed, published. Nothing runs in the background: Settle steps the workers, and
// Advance moves the time.
package servicetest

import (
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/patterns/event"
	"troupe/patterns/journal"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// Option of Run.
type Option func(*options)

type options struct {
	environ map[string]string
	peers   map[string]func(*Harness) http.Handler
	twice   bool
}

// Setting sets an environment variable for the service.
func Setting(name, value string) Option {
	return func(o *options) { o.environ[name] = value }
}

// Peer plays another service, which the harness's service calls.
func Peer(name string, play func(*Harness) http.Handler) Option {
	return func(o *options) { o.peers[name] = play }
}

// Twice makes the harness deliver every batch twice, the second time in reverse, before
// anything settles. Handlers that are registered with inbox.Idempotent receive all of it.
func Twice() Option { return func(o *options) { o.twice = true } }

// Run runs test once on SQLite and, if TEST_DATABASE_URL is set, once on
// PostgreSQL, each as a parallel sub-test with a fresh database.
func Run(t *testing.T, s app.Service, test func(t *testing.T, h *Harness), o ...Option) {
	t.Parallel()
	chosen := options{environ: map[string]string{"EVENTS_PUBLIC": "true"}, peers: map[string]func(*Harness) http.Handler{}} // a test sees all that is published
	for _, set := range o {
		set(&chosen)
	}
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		test(t, start(t, s, db, chosen))
	}, app.Migrations(s)...)
}

// Harness is one running service.
type Harness struct {
	DB  sqldb.DB
	URL string // where its API listens

	instance  *app.Instance
	clock     *clock
	ids       *idSource
	signer    *auth.Signer
	published *recorder
	consumed  []event.Envelope
	journal   *journal.Journal // records nothing until Recorded is called
	checked   int              // how many of published the test has checked
	twice     bool             // every batch is delivered twice
}

func start(t *testing.T, s app.Service, db sqldb.DB, o options) *Harness {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	h := &Harness{DB: db, clock: c, ids: &idSource{now: c.Now}, published: &recorder{}, twice: o.twice}
	key, err := auth.NewPrivateKey()
	require.NoError(t, err)
	h.signer, err = auth.NewSigner(key)
	require.NoError(t, err)
	h.journal = journal.New(journal.Config{Instance: "test:1", PerSecond: 1000, Now: c.Now})
	h.instance, err = app.NewInstance(s, app.Dependencies{
		Environ: maps.Clone(o.environ), Version: "test", DB: db, Publisher: h.published,
		JWKS: h.signer.JWKS(), Peers: h.play(t, o), Transport: http.DefaultTransport,
		Journal: h.journal, Now: c.Now, NewID: h.ids.New, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	server := httptest.NewServer(h.instance.Handler)
	h.URL = server.URL
	t.Cleanup(func() {
		server.Close()
		if h.instance.Components.Close != nil {
			require.NoError(t, h.instance.Components.Close())
		}
	})
	return h
}

// play starts the services that the test plays, and returns their addresses.
func (h *Harness) play(t *testing.T, o options) map[string]string {
	t.Helper()
	peers := map[string]string{}
	for name, play := range o.peers {
		server := httptest.NewServer(play(h))
		t.Cleanup(server.Close)
		peers[name] = server.URL
	}
	return peers
}

// Now returns the service's time. It starts at 2026-01-01 12:00 UTC and moves only by
// Advance.
func (h *Harness) Now() time.Time { return h.clock.Now() }

// Advance moves the service's time on.
func (h *Harness) Advance(d time.Duration) { h.clock.advance(d) }

// Elapse moves the service's time on while one of its workers runs, as often as its interval.
func (h *Harness) Elapse(t *testing.T, d time.Duration, name string) {
	t.Helper()
	interval := h.worker(t, name).Interval
	for ; d > 0; d -= interval {
		h.Advance(min(d, interval))
		h.Step(t, name)
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Settle steps every worker of the service (relay, retries and its own) until none has
// anything to do.
func (h *Harness) Settle(t *testing.T) {
	t.Helper()
	for range 1000 {
		did := 0
		for _, w := range h.instance.Workers {
			n, err := w.Step(t.Context())
			require.NoError(t, err, "worker %s", w.Name)
			did += n
		}
		if did == 0 {
			return
		}
	}
	require.Fail(t, "the service's workers never run out of work")
}

// Step steps one worker of the service until it has nothing to do.
func (h *Harness) Step(t *testing.T, name string) {
	t.Helper()
	w := h.worker(t, name)
	for did := 1; did > 0; {
		var err error
		did, err = w.Step(t.Context())
		require.NoError(t, err, "worker %s", name)
	}
}

func (h *Harness) worker(t *testing.T, name string) worker.Worker {
	t.Helper()
	i := slices.IndexFunc(h.instance.Workers, func(w worker.Worker) bool { return w.Name == name })
	require.GreaterOrEqual(t, i, 0, "the service has no worker %s", name)
	return h.instance.Workers[i]
}

// BeginStop does what an app does first when it stops: it ends what does not end by itself,
// such as live streams.
func (h *Harness) BeginStop(t *testing.T) {
	t.Helper()
	require.NotNil(t, h.instance.Components.Stopping, "the service has nothing to end")
	h.instance.Components.Stopping()
}
