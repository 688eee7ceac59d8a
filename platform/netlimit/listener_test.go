package netlimit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"troupe/platform/netlimit"
)

// fakeListener accepts what a test sends it: connections and errors.
type fakeListener struct {
	accepted chan any
	closed   chan struct{}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case next := <-l.accepted:
		if err, failed := next.(error); failed {
			return nil, err
		}
		return next.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error   { close(l.closed); return nil }
func (l *fakeListener) Addr() net.Addr { return fakeAddr("server") }

type fakeAddr string

func (fakeAddr) Network() string  { return "tcp" }
func (a fakeAddr) String() string { return string(a) }

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr { return fakeAddr(c.from) }
func (c *fakeConn) Close() error         { c.closed = true; return nil }

// visitors is a limiter of few connections, its listener and its log.
type visitors struct {
	*netlimit.Limiter
	t        *testing.T
	inner    *fakeListener
	listener net.Listener
	registry *prometheus.Registry
	log      bytes.Buffer
	now      time.Time
}

func newVisitors(t *testing.T) *visitors {
	c := &visitors{t: t, inner: &fakeListener{accepted: make(chan any, 100), closed: make(chan struct{})}, registry: prometheus.NewRegistry()}
	c.Limiter = netlimit.New(netlimit.Config{
		Connections: 5, ConnectionsPerClient: 2, MinRate: 1, Grace: 1, Drain: 1,
		Now: func() time.Time { return c.now }, Log: slog.New(slog.NewTextHandler(&c.log, nil)),
	})
	c.RegisterMetrics(c.registry)
	c.listener = c.Limiter.Listener(c.inner)
	return c
}

// connect makes a connection from each address, and returns those that are accepted
// and the addresses of the others.
func (c *visitors) connect(from ...string) (accepted []net.Conn, refused []string) {
	var all []*fakeConn
	for _, address := range from {
		one := &fakeConn{from: address}
		all = append(all, one)
		c.inner.accepted <- one
	}
	end := syscall.ECONNABORTED
	c.inner.accepted <- end
	for {
		conn, err := c.listener.Accept()
		if errors.Is(err, end) {
			break
		}
		require.NoError(c.t, err)
		accepted = append(accepted, conn)
	}
	for _, one := range all {
		if one.closed {
			refused = append(refused, one.from)
		}
	}
	return accepted, refused
}

func TestAClientCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	c := newVisitors(t)
	_, refused := c.connect("192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1")
	require.Equal(t, []string{"192.0.2.1:3"}, refused)
	require.Contains(t, c.log.String(), `level=WARN msg="connections of a client are refused: it has too many" client=192.0.2.1`)
}

func TestANetworkOfIPv6CountsAsOneClient(t *testing.T) {
	t.Parallel()
	_, refused := newVisitors(t).connect("[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::3]:1", "[::ffff:192.0.2.1]:1")
	require.Equal(t, []string{"[2001:db8::3]:1"}, refused)
}

func TestConnectionsOfProxiesAndOfTheHostItselfAreOnlyCountedInAll(t *testing.T) {
	t.Parallel()
	c := newVisitors(t)
	c.Exempt([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	_, refused := c.connect("127.0.0.1:1", "[::1]:1", "127.0.0.1:3", "10.1.2.3:1", "10.1.2.3:2", "10.1.2.3:3", "192.0.2.1:1")
	require.Equal(t, []string{"10.1.2.3:3", "192.0.2.1:1"}, refused)
}

func TestAConnectionThatEndsMakesRoom(t *testing.T) {
	t.Parallel()
	c := newVisitors(t)
	accepted, _ := c.connect("192.0.2.1:1", "192.0.2.1:2")
	require.NoError(t, accepted[0].Close())
	require.NoError(t, accepted[0].Close()) // twice, as net/http does; it counts once
	_, refused := c.connect("192.0.2.1:3", "192.0.2.1:4")
	require.Equal(t, []string{"192.0.2.1:4"}, refused)
}

func TestRefusedConnectionsAreCountedAndLoggedAtABoundedRate(t *testing.T) {
	t.Parallel()
	c := newVisitors(t)
	c.connect("192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4", "192.0.2.1:5")
	c.now = c.now.Add(10 * time.Second)
	c.connect("192.0.2.1:6", "192.0.2.1:7")
	require.Equal(t, 2, strings.Count(c.log.String(), "are refused"))
	require.Contains(t, c.log.String(), "not_logged=2")
	w := httptest.NewRecorder()
	promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, line := range []string{
		"troupe_http_connections 2\n",
		`troupe_http_refused_connections_total{limit="all"} 0`,
		`troupe_http_refused_connections_total{limit="client"} 5`,
	} {
		require.Contains(t, w.Body.String(), line)
	}
}

func TestAServerThatCannotAcceptLogsIt(t *testing.T) {
	t.Parallel()
	c := newVisitors(t)
	c.inner.accepted <- syscall.EMFILE
	_, err := c.listener.Accept()
	require.ErrorIs(t, err, syscall.EMFILE)
	require.Contains(t, c.log.String(), `level=WARN msg="no connection can be accepted" error="too many open files"`)
	require.NoError(t, c.listener.Close())
	c.log.Reset()
	_, err = c.listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Empty(t, c.log.String())
}
