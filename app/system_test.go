package app

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

//go:embed testdata/*.sql
var testMigrations embed.FS

// itemAdded is the event that the publisher publishes and the consumer handles.
type itemAdded struct {
	SKU string `json:"sku"`
}

func (itemAdded) EventType() string       { return "item.added.v1" }
func (r itemAdded) CorrelationID() string { return r.SKU }

var topology = bus.Topology{"item.added.v1": {"payments"}}

// publisher publishes an event in a request that waits until release is closed.
func publisher(t *testing.T, entered chan<- struct{}, release <-chan struct{}) Service {
	t.Helper()
	return Service{
		Name: "orders", Migrations: migrations(t), Topology: topology,
		Build: func(env Env) (Components, error) {
			add := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				close(entered)
				<-release
				return nil, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
					return env.Outbox.Add(ctx, tx, itemAdded{SKU: "book"})
				})
			}
			return Components{Routes: func(api *httpapi.API) { httpapi.Post(api, "/items", add, httpapi.Public()) }}, nil
		},
	}
}

// consumer counts the events that it handles.
func consumer(t *testing.T, handled *atomic.Int64) Service {
	t.Helper()
	return Service{
		Name: "payments", Migrations: migrations(t), Topology: topology,
		Build: func(Env) (Components, error) {
			return Components{Handlers: []inbox.Handler{
				inbox.Handle(func(_ context.Context, tx sqldb.Tx, _ inbox.Received[itemAdded]) error {
					tx.OnCommit(func() { handled.Add(1) })
					return nil
				}),
			}}, nil
		},
	}
}

func migrations(t *testing.T) fs.FS {
	t.Helper()
	sub, err := fs.Sub(testMigrations, "testdata")
	require.NoError(t, err)
	return sub
}

func config(t *testing.T, services ...Service) Config {
	t.Helper()
	return Config{
		Services: services, Version: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Environ: map[string]string{
			"TROUPE_DATA": t.TempDir(), "ORDERS_LISTEN": "127.0.0.1:0", "PAYMENTS_LISTEN": "127.0.0.1:0",
		},
	}
}

func TestStopLetsARequestFinishAndItsEventsBePublished(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	var handled atomic.Int64
	c := config(t, publisher(t, entered, release), consumer(t, &handled))
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	answered := make(chan int, 1)
	go func() { answered <- post(s.URL("orders") + "/items") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	close(release)
	require.NoError(t, <-stopped)
	require.Equal(t, http.StatusNoContent, <-answered)

	// The event of the request is handled, now or after the next start.
	s, err = Start(t.Context(), c)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return handled.Load() == 1 }, waitLimit, waitStep)
	require.NoError(t, s.Stop())
	require.EqualValues(t, 1, handled.Load())
}

// What a service publishes while it drains is relayed before the process ends.
func TestEventsOfADrainingServiceArePublished(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	draining := Service{Name: "orders", Migrations: migrations(t), Topology: topology, Build: func(env Env) (Components, error) {
		return Components{Drain: func(ctx context.Context) error {
			return env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return env.Outbox.Add(ctx, tx, itemAdded{SKU: "book"})
			})
		}}, nil
	}}
	c := config(t, draining, consumer(t, &handled))
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Stop())
	for table, want := range map[string]int{"orders.db outbox": 0, "payments.db queue": 1} {
		file, name, _ := strings.Cut(table, " ")
		db, err := sqldb.Open(t.Context(), "sqlite://"+filepath.Join(c.Environ["TROUPE_DATA"], file), sqldb.Options{})
		require.NoError(t, err)
		var rows int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+name).Scan(&rows))
		require.NoError(t, db.Close())
		require.Equal(t, want, rows, table)
	}
	require.Zero(t, handled.Load())
}

// A request that is under way at the gateway still needs the services behind it.
func TestTheGatewayFinishesBeforeTheServicesBehindItStop(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	front := Service{Name: "gateway", Build: func(env Env) (Components, error) {
		pass := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			close(entered)
			<-release
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, env.Peers["payments"]+"/livez", http.NoBody)
			if err != nil {
				return nil, err
			}
			response, err := env.Transport.RoundTrip(request)
			if err != nil {
				return nil, err
			}
			return nil, response.Body.Close()
		}
		return Components{Routes: func(api *httpapi.API) { httpapi.Post(api, "/pass", pass, httpapi.Public()) }}, nil
	}}
	var handled atomic.Int64
	c := config(t, front, consumer(t, &handled))
	c.Environ["GATEWAY_LISTEN"] = "127.0.0.1:0"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	answered := make(chan int, 1)
	go func() { answered <- post(s.URL("gateway") + "/pass") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	require.Eventually(t, func() bool { return post(s.URL("gateway")+"/livez") == 0 }, waitLimit, waitStep, "the gateway accepts nothing new")
	close(release)
	require.Equal(t, http.StatusNoContent, <-answered)
	require.NoError(t, <-stopped)
}

func post(url string) int {
	response, err := http.Post(url, "", http.NoBody)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestADrainingProcessClosesItsConnections(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	c.Environ["DRAIN_DELAY"] = "1s"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	url := s.URL("payments") + "/livez"
	require.False(t, endsConnection(url))
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	require.Eventually(t, func() bool { return endsConnection(url) }, waitLimit, waitStep)
	require.NoError(t, <-stopped)
}

func endsConnection(url string) bool {
	response, err := http.Get(url)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.Close
}

func TestAPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	first, err := Start(t.Context(), config(t, consumer(t, &handled)))
	require.NoError(t, err)
	defer func() { require.NoError(t, first.Stop()) }()
	second := config(t, consumer(t, &handled))
	second.Environ["PAYMENTS_LISTEN"] = first.URL("payments")[len("http://"):]
	_, err = Start(t.Context(), second)
	var taken *PortTakenError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, "payments", taken.Service)
}

func TestADataFolderServesOneSystemAtATime(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	first, err := Start(t.Context(), c)
	require.NoError(t, err)
	_, err = Start(t.Context(), c)
	require.ErrorContains(t, err, "another troupe runs on the data folder")
	require.NoError(t, first.Stop())
	second, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, second.Stop())
}

func TestAServiceWithoutADatabaseNeedsNoDisk(t *testing.T) {
	t.Parallel()
	c := config(t, Service{Name: "gateway", Build: func(Env) (Components, error) { return Components{}, nil }})
	c.Environ["GATEWAY_LISTEN"] = "127.0.0.1:0"
	c.Environ["TROUPE_DATA"] = filepath.Join(c.Environ["TROUPE_DATA"], "data")
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Stop())
	require.NoDirExists(t, c.Environ["TROUPE_DATA"])
}

func TestAConsumerInAnotherProcessNeedsABroker(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), config(t, publisher(t, nil, nil)))
	require.ErrorContains(t, err, "set AMQP_URL")
}

func TestAServiceMustHandleWhatTheTopologyDelivers(t *testing.T) {
	t.Parallel()
	idle := consumer(t, nil)
	idle.Build = func(Env) (Components, error) { return Components{}, nil }
	_, err := Start(t.Context(), config(t, idle))
	require.ErrorContains(t, err, `no handler for item.added.v1: add one, or remove "payments" from its consumers`)
}
