// Package balance chooses to which of a service's addresses, its targets, a request goes:
// to the less busy of two random ones. It follows changes of the addresses in DNS, and
// takes out of use a target that keeps failing (ejection) or fails its health check. If
// more targets are sick than may be out of use, it uses all of them (panic mode): a sick
// target answers more often than none.
package balance

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config configures a Balancer. Targets, Transport, Now, Log and Registry are required.
type Config struct {
	Name    string     // of the upstream, for the log and the metrics
	Targets []*url.URL // scheme and host, nothing else
	// Lookup returns the addresses of a host name; nil: by DNS. A name whose look-up fails
	// keeps the addresses that it had; one that never had any is a target itself.
	Lookup    func(ctx context.Context, host string) ([]string, error)
	Resolve   time.Duration     // between two look-ups of a name, 5 s
	Transport http.RoundTripper // sends the health checks
	Health    Health
	Ejection  Ejection
	Now       func() time.Time
	// Wake is called when Step has something to do before its time; nil: nothing is called.
	Wake     func()
	Rand     func(n int) int // in [0, n); rand.IntN
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Balancer distributes requests among the targets of one service. It is safe for
// concurrent use.
type Balancer struct {
	config  Config
	metrics metrics
	pool    atomic.Pointer[pool]

	finding  sync.Mutex // held while FindOther looks names up; guards lookedUp
	lookedUp time.Time

	mu      sync.Mutex // guards what follows and every target's health
	origins []*origin
	woken   time.Time // when Wake was called last
	panics  bool      // panic mode was the last state in the log
}

// pool is which targets there are at one moment, and which of them are used.
type pool struct {
	all, usable []*Target
	changes     time.Time // when the next ejection ends; zero if none does
}

// New returns a balancer over the targets, all of them healthy, and registers its
// metrics. Step has to be called from time to time.
func New(c Config) *Balancer {
	b := &Balancer{config: c.withDefaults(), metrics: newMetrics(c.Name)}
	for _, base := range c.Targets {
		o := newOrigin(base)
		o.targets = []*Target{b.target(o, net.JoinHostPort(base.Hostname(), o.port))}
		b.origins = append(b.origins, o)
	}
	b.rebuild() // b is not shared yet
	b.register(c.Registry)
	return b
}

// Pick returns a target for the next attempt of a request, preferably none of those that
// were tried: rather a sick one. It must be given to Done.
func (b *Balancer) Pick(tried []*Target) *Target {
	t := b.choose(b.current(), tried)
	t.inFlight.Add(1)
	t.picks.Inc()
	return t
}

// Done ends an attempt that Pick began.
func (b *Balancer) Done(t *Target) { t.inFlight.Add(-1) }

// HasOther reports whether there is a target in use that was not tried.
func (b *Balancer) HasOther(tried []*Target) bool {
	return slices.ContainsFunc(b.current().usable, func(t *Target) bool { return !slices.Contains(tried, t) })
}

// current returns the present pool. It reads the clock only while a target is ejected.
func (b *Balancer) current() *pool {
	p := b.pool.Load()
	if p.changes.IsZero() || b.config.Now().Before(p.changes) {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rebuild()
	return b.pool.Load()
}

func (b *Balancer) choose(p *pool, tried []*Target) *Target {
	from := p.usable
	if len(tried) > 0 {
		if t := cmp.Or(leastBusy(from, tried), leastBusy(p.all, tried)); t != nil {
			return t
		}
	}
	if len(from) == 1 {
		return from[0]
	}
	i, j := b.config.Rand(len(from)), b.config.Rand(len(from)-1)
	if j >= i {
		j++
	}
	if from[j].inFlight.Load() < from[i].inFlight.Load() {
		return from[j]
	}
	return from[i]
}

// leastBusy returns the target with the fewest attempts in flight of those that were not
// tried, nil if all were.
func leastBusy(from, tried []*Target) (least *Target) {
	for _, t := range from {
		if !slices.Contains(tried, t) && (least == nil || t.inFlight.Load() < least.inFlight.Load()) {
			least = t
		}
	}
	return least
}

func (c Config) withDefaults() Config {
	if c.Lookup == nil {
		c.Lookup = lookup
	}
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Rand == nil {
		c.Rand = rand.IntN
	}
	if c.Resolve <= 0 {
		c.Resolve = 5 * time.Second
	}
	c.Health, c.Ejection = c.Health.withDefaults(), c.Ejection.withDefaults()
	return c
}
