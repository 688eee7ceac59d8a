package balance

import (
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Target is one address of a service.
type Target struct {
	Scheme  string // "http"
	Address string // host and port of the connection, "10.0.0.7:8002"
	Host    string // what the requests name as their host, "orders:8002"

	inFlight atomic.Int64
	picks    prometheus.Counter
	// flawless: it has no failures to forget, so that a success takes no lock.
	flawless atomic.Bool

	// The balancer's lock guards what follows.

	failures     int // of attempts, since the last success
	ejections    int // in a row
	ejectedUntil time.Time
	unhealthy    bool // fails its health check
	checks       int  // results of the health check in a row that contradict unhealthy
	checkDue     time.Time
}

func newTarget(base *url.URL, address string, picks prometheus.Counter) *Target {
	t := &Target{Scheme: base.Scheme, Address: address, Host: base.Host, picks: picks}
	t.flawless.Store(true)
	return t
}

// state is what the metrics show of a target.
type state uint8

const (
	healthy state = iota
	ejected
	unhealthy
)

func (t *Target) state(now time.Time) state {
	switch {
	case t.unhealthy:
		return unhealthy
	case now.Before(t.ejectedUntil):
		return ejected
	}
	return healthy
}
