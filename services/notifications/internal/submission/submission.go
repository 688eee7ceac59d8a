// Package submission decides which SMTP server takes a mail, and when none may be asked.
//
// A server has a circuit breaker. Refusals that would meet every mail (its HELO name, its
// login, a quota, no connection) open it: then the next server is asked, and if there is
// none the queue is paused as a whole, until a single mail shows that a server takes mails
// again. A refusal about one mail or one mailbox changes nothing for others.
package submission

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/breaker"
	"troupe/patterns/journal"
	"troupe/patterns/ratelimit"
	"troupe/platform/ascii"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
)

// Config is what Servers need. All fields are required, but Rate and Journal.
type Config struct {
	Servers   []*smtp.Server // in the order in which they are asked
	PerDomain int            // mails at a time to one domain
	Rate      int            // mails a second that each server is sent; 0 means any number
	Now       func() time.Time
	Log       *slog.Logger
	Registry  *prometheus.Registry
	Journal   *journal.Recorder // records when a server is not asked; nil: nothing is recorded
}

// Servers are the SMTP servers. They are safe for concurrent use.
type Servers struct {
	config    Config
	servers   []*server
	domains   *domains
	rate      *ratelimit.Limiter[string] // nil without a limit
	refusals  *prometheus.CounterVec
	recovered atomic.Bool

	mu   sync.Mutex
	rest time.Time // until then a server's rate permits no mail
}

// New returns the servers, all of which may be asked.
func New(c Config) *Servers {
	s := &Servers{config: c, domains: newDomains(c.PerDomain), refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_notifications_refusals_total",
		Help: "Mails that an SMTP server did not take, each time, by server and by what the refusal was about: mailbox, content, helo, login, sender, relay, limit, policy, server, domain.",
	}, []string{"server", "about"})}
	open := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "troupe_notifications_server_paused",
		Help: "1 while an SMTP server is not asked, because it refused several mails in a row for reasons that meet every mail.",
	}, []string{"server"})
	c.Registry.MustRegister(s.refusals, open)
	if c.Rate > 0 {
		s.rate = ratelimit.New[string](ratelimit.Config{Rate: float64(c.Rate), Burst: c.Rate, Keys: 1000, Now: c.Now})
	}
	for _, each := range c.Servers {
		s.servers = append(s.servers, s.newServer(each, open.WithLabelValues(each.Address())))
	}
	return s
}

// Capacity returns how many mails may be sent now, at most most: one while it is to be
// tried whether a server takes mails again, and none while the queue is paused.
func (s *Servers) Capacity(most int) int {
	s.mu.Lock()
	resting := s.config.Now().Before(s.rest)
	s.mu.Unlock()
	if resting {
		return 0
	}
	capacity := 0
	for _, each := range s.servers {
		permit, err := each.breaker.Allow()
		if err != nil {
			continue
		}
		each.breaker.Done(permit, breaker.Ignored)
		if each.breaker.Snapshot().State == breaker.Closed {
			return most
		}
		capacity = 1
	}
	return capacity
}

// Recovered reports, once for each time, that a server takes mails again after a pause.
func (s *Servers) Recovered() bool { return s.recovered.Swap(false) }

// Longest returns how long the reply to a final dot may take.
func (s *Servers) Longest() (longest time.Duration) {
	for _, each := range s.servers {
		longest = max(longest, each.DotTimeout)
	}
	return longest
}

// Batch sends several mails, one after the other, over as few connections as possible.
type Batch struct {
	servers     *Servers
	connections []*connection
}

// NewBatch returns a batch, which must be closed.
func (s *Servers) NewBatch() *Batch {
	b := &Batch{servers: s}
	for _, each := range s.servers {
		b.connections = append(b.connections, &connection{server: each})
	}
	return b
}

// Close ends the connections.
func (b *Batch) Close() {
	for _, c := range b.connections {
		c.close()
	}
}

// Result is what became of a mail.
type Result struct {
	delivery.Attempt
	Tried bool      // there was an attempt
	Again time.Time // if there was none: when to try the mail again
	Stop  bool      // no further mail of this batch should be tried
}

// Send sends one mail by the first server that takes it. A server that refuses it for a
// reason that meets every mail does not have it, so the next one is asked at once.
func (b *Batch) Send(ctx context.Context, m smtp.Message, beforeDot func() error) Result {
	now := b.servers.config.Now()
	_, domain, _ := strings.Cut(m.To.Address, "@")
	domain = ascii.Lower(domain)
	at, ok := b.servers.domains.acquire(domain, now)
	if !ok {
		return Result{Again: at}
	}
	r := b.ask(ctx, m, beforeDot, now)
	b.servers.domains.release(domain, r.About == delivery.AboutDomain && ctx.Err() == nil, b.servers.config.Now())
	r.Stop = r.Stop || r.About == delivery.AboutDomain // others may take the rest, after this long wait
	return r
}

func (b *Batch) ask(ctx context.Context, m smtp.Message, beforeDot func() error, now time.Time) Result {
	r := Result{Again: now}
	for _, c := range b.connections {
		permit, err := c.server.breaker.Allow()
		if err != nil {
			continue
		}
		if until, ok := b.servers.take(c.server, now); !ok {
			c.server.breaker.Done(permit, breaker.Ignored)
			r.Again, r.Stop = until, true
			return r
		}
		counts := c.err == nil // a connection that could not be opened is not tried again
		r.Attempt, r.Tried = c.send(ctx, m, beforeDot), true
		c.server.done(permit, r.Attempt, counts && ctx.Err() == nil)
		if !r.About.Shared() {
			return r
		}
	}
	r.Stop = !r.Tried
	return r
}

// Test sends one mail to the first server, whatever is known about it, and changes nothing
// for other mails.
func (s *Servers) Test(ctx context.Context, m smtp.Message) delivery.Attempt {
	c := &connection{server: s.servers[0]}
	defer c.close()
	return c.sendOnce(ctx, m, func() error { return nil })
}

// take takes a token of the server's rate; without one it returns when there is one.
func (s *Servers) take(to *server, now time.Time) (until time.Time, ok bool) {
	if s.rate == nil {
		return now, true
	}
	d := s.rate.Take(to.Address())
	if d.Allowed {
		return now, true
	}
	until = now.Add(d.RetryAfter)
	s.mu.Lock()
	s.rest = until
	s.mu.Unlock()
	return until, false
}
