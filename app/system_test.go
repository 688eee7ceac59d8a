package app

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
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

// rang is the fact that the doorbell says and the butler hears.
type rang struct {
	Door string `json:"door"`
}

func (rang) EventType() string       { return "door.rang.v1" }
func (r rang) CorrelationID() string { return r.Door }

var topology = bus.Topology{"door.rang.v1": {"payments"}}

// doorbell says that it rang, once release is closed.
func doorbell(t *testing.T, entered chan<- struct{}, release <-chan struct{}) Service {
	t.Helper()
	return Service{
		Name: "orders", Migrations: migrations(t), Topology: topology,
		Build: func(env Env) (Components, error) {
			ring := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				close(entered)
				<-release
				return nil, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
					return env.Outbox.Add(ctx, tx, rang{Door: "front"})
				})
			}
			return Components{Routes: func(api *httpapi.API) { httpapi.Post(api, "/ring", ring, httpapi.Public()) }}, nil
		},
	}
}

// butler counts how often it heard the bell.
func butler(t *testing.T, heard *atomic.Int64) Service {
	t.Helper()
	return Service{
		Name: "payments", Migrations: migrations(t), Topology: topology,
		Build: func(Env) (Components, error) {
			return Components{Handlers: []inbox.Handler{
				inbox.Handle(func(_ context.Context, tx sqldb.Tx, _ inbox.Received[rang]) error {
					tx.OnCommit(func() { heard.Add(1) })
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

func TestStopLetsARequestFinishAndSaysWhatItSaid(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	var heard atomic.Int64
	c := config(t, doorbell(t, entered, release), butler(t, &heard))
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	answered := make(chan int, 1)
	go func() { answered <- post(s.URL("orders") + "/ring") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	close(release)
	require.NoError(t, <-stopped)
	require.Equal(t, http.StatusNoContent, <-answered)

	// What the request said is in the butler's hands, now or after the next start.
	s, err = Start(t.Context(), c)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return heard.Load() == 1 }, waitLimit, waitStep)
	require.NoError(t, s.Stop())
	require.EqualValues(t, 1, heard.Load())
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
	var heard atomic.Int64
	c := config(t, front, butler(t, &heard))
	c.Environ["GATEWAY_LISTEN"] = "127.0.0.1:0"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	answered := make(chan int, 1)
	go func() { answered <- post(s.URL("gateway") + "/pass") }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	require.Eventually(t, func() bool { return post(s.URL("gateway")+"/livez") == 0 }, waitLimit, waitStep, "the gateway takes nothing new")
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

func TestADrainingProcessSendsItsPeersElsewhere(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	c := config(t, butler(t, &heard))
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

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	first, err := Start(t.Context(), config(t, butler(t, &heard)))
	require.NoError(t, err)
	defer func() { require.NoError(t, first.Stop()) }()
	second := config(t, butler(t, &heard))
	second.Environ["PAYMENTS_LISTEN"] = first.URL("payments")[len("http://"):]
	_, err = Start(t.Context(), second)
	var taken *PortTakenError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, "payments", taken.Service)
}

func TestADataFolderHasOneSystem(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	c := config(t, butler(t, &heard))
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

func TestAHearerElsewhereNeedsABroker(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), config(t, doorbell(t, nil, nil)))
	require.ErrorContains(t, err, "set AMQP_URL")
}

func TestAServiceMustReactToWhatItHears(t *testing.T) {
	t.Parallel()
	deaf := butler(t, nil)
	deaf.Build = func(Env) (Components, error) { return Components{}, nil }
	_, err := Start(t.Context(), config(t, deaf))
	require.ErrorContains(t, err, `no handler for door.rang.v1: add one, or remove "payments" from its consumers`)
}
