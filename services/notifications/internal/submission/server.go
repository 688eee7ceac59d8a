package submission

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/breaker"
	"troupe/patterns/journal"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
)

// maxRefusals is how many refusals in a row, for reasons that meet every mail, pause the
// queue.
const maxRefusals = 5

// advice is what an operator does about refusals of a subject.
var advice = map[delivery.Subject]string{
	delivery.AboutHELO:   "it does not accept the name in EHLO: set NOTIFICATIONS_MAIL_HELO to this host's name in DNS",
	delivery.AboutLogin:  "check the user and the password in NOTIFICATIONS_SMTP_URL",
	delivery.AboutSender: "it does not accept the sender: check NOTIFICATIONS_MAIL_FROM, and that this login may use it",
	delivery.AboutRelay:  "it does not relay mails of this host: it may require a login, or know another address of this host",
	delivery.AboutLimit:  "a quota or a rate is used up: raise it, or set NOTIFICATIONS_SMTP_RATE",
	delivery.AboutPolicy: "this host may be on a block list, or DNS records of the sender's domain may be missing; see docs/MAIL.md",
	delivery.AboutServer: "check that it runs and that this host may connect",
}

// server is one SMTP server with the state of the mails to it.
type server struct {
	*smtp.Server
	servers *Servers
	breaker *breaker.Breaker

	mu       sync.Mutex
	reported map[delivery.Subject]bool // since a mail was last taken
	last     delivery.Attempt          // the last refusal that met every mail
}

func (s *Servers) newServer(of *smtp.Server, open prometheus.Gauge) *server {
	each := &server{Server: of, servers: s, reported: map[delivery.Subject]bool{}}
	each.breaker = breaker.New(breaker.Config{
		MinCalls: math.MaxInt, FailureRate: 2, SlowRate: 2, Streak: maxRefusals, // only refusals in a row count
		Recovery: 30 * time.Second, RecoveryMax: 5 * time.Minute,
		Probes: 1, Successes: 1, ProbeTimeout: 2 * (of.CommandTimeout + of.DotTimeout),
		Now: s.config.Now, OnChange: func(c breaker.Change) { each.changed(c, open) },
	})
	return each
}

// done returns the permit of an attempt. An attempt that does not count shows nothing new
// about the server.
func (s *server) done(permit breaker.Permit, a delivery.Attempt, counts bool) {
	if a.State != delivery.Sent {
		s.servers.refusals.WithLabelValues(s.Address(), string(a.About)).Inc()
	}
	switch {
	case !counts, a.About == delivery.AboutDomain:
		s.breaker.Done(permit, breaker.Ignored)
	case a.About.Shared():
		s.report(a)
		s.breaker.Done(permit, breaker.Failure)
	default:
		s.mu.Lock()
		if a.State == delivery.Sent {
			clear(s.reported)
		}
		s.mu.Unlock()
		s.breaker.Done(permit, breaker.Success)
	}
}

// report logs the first refusal about each subject since a mail was last taken. That the
// server cannot be reached is logged when the queue pauses: it may be back in a moment.
func (s *server) report(a delivery.Attempt) {
	s.mu.Lock()
	s.last = a
	known := s.reported[a.About] || a.About == delivery.AboutServer
	s.reported[a.About] = true
	s.mu.Unlock()
	if !known {
		s.servers.config.Log.Error("the mail server refuses mails for a reason that meets every mail; they wait: "+advice[a.About],
			"server", s.Address(), "about", a.About, "phase", a.Phase, "reply", a.Reply)
	}
}

// changed logs and records that the breaker opened or closed.
func (s *server) changed(c breaker.Change, open prometheus.Gauge) {
	log := s.servers.config.Log
	s.servers.config.Journal.Switched(c.At, journal.Breaker{Dependency: "mail server " + s.Address(), From: c.From.String(), To: c.To.String(), Reason: c.Reason})
	switch {
	case c.To == breaker.Open && c.From == breaker.Closed:
		open.Set(1)
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		level := log.Warn // the reason was logged as an error
		if last.About == delivery.AboutServer {
			level = log.Error
		}
		level("no mails are sent over a server until it takes one again: "+advice[last.About],
			"server", s.Address(), "about", last.About, "reply", last.Reply)
	case c.To == breaker.Closed:
		open.Set(0)
		s.servers.recovered.Store(true)
		log.Info("the mail server takes mails again; all that waited for it are due", "server", s.Address())
	}
}

// connection is a connection to a server within a batch. It is opened when it is needed.
type connection struct {
	server  *server
	session *smtp.Session
	err     error // why it could not be opened; it is not tried again
}

// send sends one mail. Servers close a connection that is idle or has carried many
// mails. If a connection that was used before ends that way, send opens a new one and
// sends the mail over it at once.
func (c *connection) send(ctx context.Context, m smtp.Message, beforeDot func() error) delivery.Attempt {
	reused := c.session != nil && !c.session.Broken()
	a := c.sendOnce(ctx, m, beforeDot)
	if reused && c.session.Broken() && a.Phase == delivery.Mail {
		return c.sendOnce(ctx, m, beforeDot)
	}
	return a
}

func (c *connection) sendOnce(ctx context.Context, m smtp.Message, beforeDot func() error) delivery.Attempt {
	if c.err == nil && (c.session == nil || c.session.Broken()) {
		c.session, c.err = c.server.Open(ctx)
	}
	if c.err != nil {
		return delivery.Ended(delivery.Connect, c.err)
	}
	return c.session.Send(m, beforeDot)
}

func (c *connection) close() {
	if c.session != nil {
		c.session.Close()
	}
}
