// Package netlimit limits what clients may take from an HTTP server: how many
// connections there are in all and per client address, and how slowly a client may
// send a request's body or read a response.
//
// net/http has time limits for the headers of a request and for idle connections, but
// none that suits bodies of every size: ReadTimeout and WriteTimeout are for a whole
// message, so they also end downloads, uploads and event streams that are alive. Without
// them, a client that announces a body and does not send it, or that requests much and
// reads nothing, holds its connection without an end. A [Limiter] demands a minimum rate
// instead, and only while the server waits for the client.
//
// A server uses all three parts of it:
//
//	server := &http.Server{Handler: limiter.Handler(h), ConnContext: netlimit.ConnContext}
//	err := server.Serve(limiter.Listener(listener))
package netlimit

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Limiter allows. All fields are required.
type Config struct {
	Connections          int // the most at a time
	ConnectionsPerClient int // the most at a time from one client address; for IPv6, from one /64
	// MinRate is the rate, in bytes per second, at which a client must send a body and
	// read a response.
	MinRate int
	// Grace is how far a client may fall behind MinRate, and so also the longest pause.
	Grace time.Duration
	// Drain is how long the server waits, after a request has been handled, for what is
	// missing of its body, so that the connection can be kept.
	Drain time.Duration
	Now   func() time.Time // limits how often a warning is logged
	Log   *slog.Logger
}

// Limiter applies a Config to the connections of one server.
type Limiter struct {
	config  Config
	exempt  atomic.Pointer[[]netip.Prefix]
	metrics metrics

	mu        sync.Mutex
	all       int
	byClient  map[netip.Addr]int
	refusals  warning
	accepting warning
}

// New returns a Limiter.
func New(c Config) *Limiter {
	return &Limiter{
		config: c, byClient: map[netip.Addr]int{}, metrics: newMetrics(),
		refusals: warning{log: c.Log, now: c.Now}, accepting: warning{log: c.Log, now: c.Now},
	}
}

// Exempt lists the addresses that ConnectionsPerClient does not apply to, such as
// proxies, whose connections carry the requests of many clients. Loopback addresses
// are always exempt. It replaces an earlier list.
func (l *Limiter) Exempt(peers []netip.Prefix) { l.exempt.Store(&peers) }

// RegisterMetrics adds the limiter's metrics to the registry.
func (l *Limiter) RegisterMetrics(r prometheus.Registerer) {
	r.MustRegister(l.metrics.open, l.metrics.refused, l.metrics.acceptErrors, l.metrics.slow)
}

// connKey is the key of a connection in the context of its requests.
type connKey struct{}

// ConnContext is an http.Server's ConnContext: Handler finds the connection by it.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}
