package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/worker"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

const drainDelay, drainLimit = 5 * time.Second, 20 * time.Second

// pipeListener is a listener without a network, so that the time of a synctest bubble
// passes while a client waits for it.
type pipeListener struct {
	address string
	dialed  chan net.Conn
	closed  chan struct{}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Close() error    { close(p.closed); return nil }
func (p *pipeListener) Addr() net.Addr  { return p }
func (p *pipeListener) Network() string { return "pipe" }
func (p *pipeListener) String() string  { return p.address }

func (p *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.dialed <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, errRefused
	}
}

// drainingSystem is a system in a synctest bubble, with a slow request and a worker
// with a slow step.
type drainingSystem struct {
	*System
	client   *http.Client
	data     string
	began    time.Time
	consumed atomic.Int64    // events that the consumer handled
	steps    []time.Duration // when the worker's steps ended
}

func startDrainingSystem(t *testing.T, request time.Duration) *drainingSystem {
	t.Helper()
	p := &drainingSystem{data: t.TempDir(), began: time.Now()}
	slow := Service{Name: "orders", Migrations: migrations(t), Topology: topology, Build: func(env Env) (Components, error) {
		add := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			select {
			case <-time.After(request):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return nil, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return env.Outbox.Add(ctx, tx, itemAdded{SKU: "book"})
			})
		}
		return Components{
			Routes:  func(api *httpapi.API) { httpapi.Post(api, "/items", add, httpapi.Public()) },
			Workers: []worker.Worker{{Name: "slow worker", Step: p.slowStep(env), Interval: time.Hour}},
		}, nil
	}}
	c := config(t, slow, consumer(t, &p.consumed))
	c.Environ["TROUPE_DATA"] = p.data
	c.Environ["DRAIN_DELAY"], c.Environ["DRAIN_TIMEOUT"] = drainDelay.String(), drainLimit.String()
	ports := map[string]*pipeListener{}
	c.Listen = func(_ context.Context, _, address string) (net.Listener, error) {
		p := &pipeListener{address: address, dialed: make(chan net.Conn), closed: make(chan struct{})}
		ports[address] = p
		return p, nil
	}
	c.Environ["ORDERS_LISTEN"], c.Environ["PAYMENTS_LISTEN"] = "orders:80", "payments:80"
	var err error
	p.System, err = Start(t.Context(), c)
	require.NoError(t, err)
	transport := &http.Transport{DialContext: ports["orders:80"].dial}
	p.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return p
}

// slowStep returns a step that takes 12 s in any case and notes when it
// ends.
func (p *drainingSystem) slowStep(env Env) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		time.Sleep(12 * time.Second)
		p.steps = append(p.steps, time.Since(p.began))
		return 0, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			return env.Outbox.Add(ctx, tx, itemAdded{SKU: "from the worker"})
		})
	}
}

// request returns the status of the response, 0 if there was none.
func (p *drainingSystem) request(t *testing.T, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://orders"+path, http.NoBody)
	require.NoError(t, err)
	response, err := p.client.Do(request)
	if err != nil {
		return 0
	}
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// rows counts what a service left in a table when it stopped.
func (p *drainingSystem) rows(t *testing.T, service, table string) (n int) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite://"+filepath.Join(p.data, service+".db"), sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	require.NoError(t, db.Close())
	return n
}

func TestGracefulShutdownStepByStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startDrainingSystem(t, 9*time.Second) // the worker's step ends at 12 s
		answered := make(chan int, 1)
		time.Sleep(time.Second)
		go func() { answered <- p.request(t, http.MethodPost, "/items") }() // until 10 s
		synctest.Wait()
		require.Equal(t, http.StatusOK, p.request(t, http.MethodGet, "/readyz"))

		time.Sleep(time.Second)
		stopped := make(chan error, 1)
		go func() { stopped <- p.Stop() }()
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, p.request(t, http.MethodGet, "/readyz"), "load balancers notice")
		require.Equal(t, http.StatusOK, p.request(t, http.MethodGet, "/livez"), "requests are still accepted")

		time.Sleep(drainDelay + time.Millisecond) // 7 s have passed
		synctest.Wait()
		require.Zero(t, p.request(t, http.MethodGet, "/livez"), "no new request is accepted")
		require.Empty(t, answered)

		require.Equal(t, http.StatusNoContent, <-answered)
		require.Equal(t, 10*time.Second, time.Since(p.began))
		require.NoError(t, <-stopped)
		require.Equal(t, 12*time.Second, time.Since(p.began), "the worker finished its step")
		require.Equal(t, []time.Duration{12 * time.Second}, p.steps)
		require.Zero(t, p.rows(t, "orders", "outbox"), "the last events were relayed too")
		require.Equal(t, 2, p.rows(t, "payments", "queue")+int(p.consumed.Load()), "and are on the bus, or handled")
	})
}

func TestARequestThatNeverEndsIsCutOffAndTheWorkersStillFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startDrainingSystem(t, time.Hour)
		answered := make(chan int, 1)
		go func() { answered <- p.request(t, http.MethodPost, "/items") }()
		synctest.Wait()
		began := time.Now()
		err := p.Stop()
		require.ErrorContains(t, err, "orders: requests cut off")
		require.NotContains(t, err.Error(), "workers cut off")
		require.Less(t, time.Since(began), drainDelay+drainLimit)
		require.Zero(t, <-answered)
		require.Equal(t, []time.Duration{12 * time.Second}, p.steps)
	})
}

func TestAStepThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startDrainingSystem(t, 0)
		release := make(chan struct{})
		p.workers.start(func(context.Context) { <-release })
		began := time.Now()
		require.ErrorContains(t, p.Stop(), "workers cut off")
		require.Equal(t, drainDelay+drainLimit, time.Since(began))
		close(release)
	})
}

func TestSilentServersAreLeftTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &System{log: slog.New(slog.DiscardHandler)}
		silence := make(chan struct{})
		silent := func() error { <-silence; return nil }
		broken := errors.New("broken")
		began := time.Now()
		err := s.closeTogether(map[string]func() error{
			"one": silent, "two": silent, "three": silent, "four": func() error { return broken },
		})
		require.ErrorIs(t, err, broken)
		require.Equal(t, closeLimit, time.Since(began))
		close(silence)
	})
}
