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
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// Option of Run.
type Option func(environ map[string]string)

// Setting sets an environment variable for the service.
func Setting(name, value string) Option {
	return func(environ map[string]string) { environ[name] = value }
}

// Run runs test once on SQLite and, if TEST_DATABASE_URL is set, once on
// PostgreSQL, each as a parallel sub-test with a fresh database.
func Run(t *testing.T, s app.Service, test func(t *testing.T, h *Harness), o ...Option) {
	t.Parallel()
	environ := map[string]string{}
	for _, set := range o {
		set(environ)
	}
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		test(t, start(t, s, db, environ))
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
	checked   int // how many of published the test has checked
}

func start(t *testing.T, s app.Service, db sqldb.DB, environ map[string]string) *Harness {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	h := &Harness{DB: db, clock: c, ids: &idSource{now: c.Now}, published: &recorder{}}
	key, err := auth.NewPrivateKey()
	require.NoError(t, err)
	h.signer, err = auth.NewSigner(key)
	require.NoError(t, err)
	h.instance, err = app.NewInstance(s, app.Dependencies{
		Environ: maps.Clone(environ), Version: "test", DB: db, Publisher: h.published,
		JWKS: h.signer.JWKS(), Peers: map[string]string{}, Transport: http.DefaultTransport,
		Now: c.Now, NewID: h.ids.New, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
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

// Now returns the service's time. It starts at 2026-01-01 12:00 UTC and moves only by
// Advance.
func (h *Harness) Now() time.Time { return h.clock.Now() }

// Advance moves the service's time on.
func (h *Harness) Advance(d time.Duration) { h.clock.advance(d) }

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
