// Package notifications tells customers what happens to their orders: by mail,
// and in an inbox that they can read. It only ever reacts to events, keeps its
// own copy of addresses, and decides nothing.
//
// Every event that concerns a customer becomes, in the transaction that hears
// it, an entry of the inbox and a delivery; the delivery worker then renders
// and sends. Without SMTP_URL mails go into a built-in mailbox, to be looked at
// at /mailbox.
package notifications

import (
	"cmp"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/mail"
	"troupe/services/notifications/internal/mailbox"
	"troupe/services/notifications/internal/message"
	"troupe/services/notifications/internal/store"
)

// Service is the notifications service.
var Service = app.Service{
	Name:       "notifications",
	Port:       8003,
	Owns:       "mails and inboxes; copies of addresses",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Build:      build,
}

type settings struct {
	SMTPURL       string        `env:"SMTP_URL"`                                             // smtp://user:password@host:587 or smtps://...; empty: the built-in mailbox
	MailFrom      string        `env:"MAIL_FROM" envDefault:"Troupe <hello@troupe.invalid>"` // its name is what the shop calls itself
	MailRetention time.Duration `env:"MAIL_RETENTION" envDefault:"720h"`                     // how long rendered mails are kept
	Mailbox       bool          `env:"MAILBOX" envDefault:"false"`                           // serve the built-in mailbox in production too
}

// service is what all parts of it share.
type service struct {
	db          sqldb.DB
	outbox      *outbox.Outbox
	revocations *auth.Revocations
	now         func() time.Time
	newID       func() string
	log         *slog.Logger

	renderer  *message.Renderer
	from      netmail.Address
	server    *mail.Server // nil: the built-in mailbox
	retention time.Duration
	ended     *prometheus.CounterVec // deliveries and attempts by the state they ended in
	due       worker.Notifier        // rung when a delivery was queued
}

func build(env app.Env) (app.Components, error) {
	var set settings
	if err := env.Settings(&set); err != nil {
		return app.Components{}, err
	}
	s := &service{
		db: env.DB, outbox: env.Outbox, revocations: env.Revocations, now: env.Now, newID: env.NewID, log: env.Log,
		retention: set.MailRetention, due: worker.NewNotifier(),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_notifications_mails_total",
			Help: "How steps of a mail's delivery ended, by the state they led to: sent, deferred, unknown, rejected, expired, suppressed, waiting.",
		}, []string{"state"}),
	}
	env.Registry.MustRegister(s.ended)
	if err := s.configure(set); err != nil {
		return app.Components{}, err
	}
	box, err := mailbox.New(env.DB)
	if err != nil {
		return app.Components{}, err
	}
	visible := s.server == nil && (!env.Production || set.Mailbox)
	if s.server == nil && !visible {
		s.log.Warn("no mail reaches anybody: set SMTP_URL, or MAILBOX=true to look at them on /mailbox")
	}
	return app.Components{
		Routes: func(api *httpapi.API) {
			s.serveInbox(api)
			s.serveDeliveries(api)
			if visible {
				s.serveMailbox(api, box)
			}
		},
		Handlers: s.reactions(),
		Workers: []worker.Worker{
			{Name: "deliver", Step: s.deliver, Interval: time.Second, Wake: s.due},
			{Name: "erase-mails", Step: s.eraseMails, Interval: 10 * time.Minute},
		},
	}, nil
}

func (s *service) configure(set settings) error {
	from, err := netmail.ParseAddress(set.MailFrom)
	if err == nil {
		s.from, err = mail.Address(from.Name, from.Address)
	}
	if err != nil {
		return fmt.Errorf("MAIL_FROM is %q: it must look like Troupe <hello@example.com>", set.MailFrom)
	}
	_, domain, _ := strings.Cut(s.from.Address, "@")
	if s.renderer, err = message.NewRenderer(cmp.Or(s.from.Name, domain)); err != nil {
		return err
	}
	if set.MailRetention <= 0 {
		return fmt.Errorf("MAIL_RETENTION is %s: it must be longer than nothing, for example 720h", set.MailRetention)
	}
	if set.SMTPURL == "" {
		return nil
	}
	if s.server, err = mail.Parse(set.SMTPURL); err != nil {
		return err
	}
	if host, err := os.Hostname(); err == nil {
		s.server.LocalName = host
	}
	return nil
}
