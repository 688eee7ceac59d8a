package app

import (
	"context"
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

// port is a listener without a network, so that the time of a bubble passes while
// somebody waits for it.
type port struct {
	address string
	dialed  chan net.Conn
	closed  chan struct{}
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *port) Close() error    { close(p.closed); return nil }
func (p *port) Addr() net.Addr  { return p }
func (p *port) Network() string { return "pipe" }
func (p *port) String() string  { return p.address }

func (p *port) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.dialed <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, errRefused
	}
}

// porter is a system in a bubble: a bell that takes its time to ring, and a lift
// that takes its time to come down.
type porter struct {
	*System
	client *http.Client
	data   string
	began  time.Time
	heard  atomic.Int64    // how often the butler heard the bell
	rides  []time.Duration // when the lift came down
}

func startPorter(t *testing.T, ringing time.Duration) *porter {
	t.Helper()
	p := &porter{data: t.TempDir(), began: time.Now()}
	bell := Service{Name: "orders", Migrations: migrations(t), Topology: topology, Build: func(env Env) (Components, error) {
		ring := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			select {
			case <-time.After(ringing):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return nil, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return env.Outbox.Add(ctx, tx, rang{Door: "front"})
			})
		}
		return Components{
			Routes:  func(api *httpapi.API) { httpapi.Post(api, "/ring", ring, httpapi.Public()) },
			Workers: []worker.Worker{{Name: "lift", Step: p.ride(env), Interval: time.Hour}},
		}, nil
	}}
	c := config(t, bell, butler(t, &p.heard))
	c.Environ["TROUPE_DATA"] = p.data
	c.Environ["DRAIN_DELAY"], c.Environ["DRAIN_TIMEOUT"] = drainDelay.String(), drainLimit.String()
	ports := map[string]*port{}
	c.Listen = func(_ context.Context, _, address string) (net.Listener, error) {
		p := &port{address: address, dialed: make(chan net.Conn), closed: make(chan struct{})}
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

// ride takes 12 s whatever happens meanwhile, and says when it is over.
func (p *porter) ride(env Env) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		time.Sleep(12 * time.Second)
		p.rides = append(p.rides, time.Since(p.began))
		return 0, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			return env.Outbox.Add(ctx, tx, rang{Door: "lift"})
		})
	}
}

// ask gives the status of an answer, 0 if there was none.
func (p *porter) ask(t *testing.T, method, path string) int {
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
func (p *porter) rows(t *testing.T, service, table string) (n int) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite://"+filepath.Join(p.data, service+".db"), sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	require.NoError(t, db.Close())
	return n
}

func TestDrainingStepByStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPorter(t, 9*time.Second) // the lift is under way, down at 12 s
		rung := make(chan int, 1)
		time.Sleep(time.Second)
		go func() { rung <- p.ask(t, http.MethodPost, "/ring") }() // until 10 s
		synctest.Wait()
		require.Equal(t, http.StatusOK, p.ask(t, http.MethodGet, "/readyz"))

		time.Sleep(time.Second)
		stopped := make(chan error, 1)
		go func() { stopped <- p.Stop() }()
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, p.ask(t, http.MethodGet, "/readyz"), "balancers may look")
		require.Equal(t, http.StatusOK, p.ask(t, http.MethodGet, "/livez"), "nobody is turned away yet")

		time.Sleep(drainDelay + time.Millisecond) // it is 7 s
		synctest.Wait()
		require.Zero(t, p.ask(t, http.MethodGet, "/livez"), "nothing new is taken any more")
		require.Empty(t, rung)

		require.Equal(t, http.StatusNoContent, <-rung)
		require.Equal(t, 10*time.Second, time.Since(p.began))
		require.NoError(t, <-stopped)
		require.Equal(t, 12*time.Second, time.Since(p.began), "the lift was down")
		require.Equal(t, []time.Duration{12 * time.Second}, p.rides)
		require.Zero(t, p.rows(t, "orders", "outbox"), "what was said last has been relayed too")
		require.Equal(t, 2, p.rows(t, "payments", "queue")+int(p.heard.Load()), "and the bus has it, or its hearer")
	})
}

func TestARequestThatNeverEndsIsCutOffAndTheLoopsStillFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPorter(t, time.Hour)
		rung := make(chan int, 1)
		go func() { rung <- p.ask(t, http.MethodPost, "/ring") }()
		synctest.Wait()
		began := time.Now()
		err := p.Stop()
		require.ErrorContains(t, err, "orders: requests cut off")
		require.NotContains(t, err.Error(), "loops cut off")
		require.Less(t, time.Since(began), drainDelay+drainLimit)
		require.Zero(t, <-rung)
		require.Equal(t, []time.Duration{12 * time.Second}, p.rides)
	})
}

func TestAStepThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPorter(t, 0)
		release := make(chan struct{})
		p.working.start(func(context.Context) { <-release })
		began := time.Now()
		require.ErrorContains(t, p.Stop(), "loops cut off")
		require.Equal(t, drainDelay+drainLimit, time.Since(began))
		close(release)
	})
}
