// Package notifications informs customers about their account and their orders: by mail,
// and in an inbox that they can read. It only consumes events. It keeps its own copy of
// the addresses and makes no business decisions.
//
// A handler turns each event that concerns a customer into an inbox entry, a delivery,
// or both, in the transaction that records that the event was handled. A worker, the
// sender, then renders and sends the mails that are due. Without NOTIFICATIONS_SMTP_URL
// it stores them in a built-in mailbox, which a browser shows at /mailbox.
//
//	handlers.go         events -> inbox entries and deliveries
//	sender.go           the worker that sends the mails; smtp_submit.go: over SMTP
//	api_inbox.go        the customer's inbox
//	api_deliveries.go   the operator's view of the mails and their attempts
//	api_mailbox.go      the built-in mailbox
//	internal/content    templates and languages
//	internal/delivery   the states of a delivery and what leads to them
//	internal/smtp       the conversation with the SMTP server
package notifications

import (
	"cmp"
	"fmt"
	netmail "net/mail"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/worker"
	"troupe/platform/httpapi"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/mailbox"
	"troupe/services/notifications/internal/smtp"
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
	// The server that sends the mails: smtp://user:password@host:587, or smtps://host for TLS from the first byte. If empty, mails are stored in the built-in mailbox.
	SMTPURL string `env:"NOTIFICATIONS_SMTP_URL" formerly:"SMTP_URL"`
	// The sender of the mails. Its name is the name of the shop in the mails.
	MailFrom string `env:"NOTIFICATIONS_MAIL_FROM" formerly:"MAIL_FROM" envDefault:"Troupe <hello@troupe.invalid>"`
	// How long the mails in the built-in mailbox, and the content of orders for later mails, are kept.
	MailRetention time.Duration `env:"NOTIFICATIONS_MAIL_RETENTION" formerly:"MAIL_RETENTION" envDefault:"720h"`
	// Whether the built-in mailbox is also shown in production, at /mailbox and without a login.
	Mailbox bool `env:"NOTIFICATIONS_MAILBOX" formerly:"MAILBOX" envDefault:"false"`
}

// service is what the handlers, the workers and the API share.
type service struct {
	app.Env
	settings

	renderer *content.Renderer
	from     netmail.Address
	server   *smtp.Server           // nil: mails are stored in the built-in mailbox
	outcomes *prometheus.CounterVec // of the sender, by the state of the delivery
	due      worker.Notifier        // notified when a delivery becomes due
}

func build(env app.Env) (app.Components, error) {
	s := &service{Env: env, due: worker.NewNotifier(), outcomes: newOutcomes()}
	env.Registry.MustRegister(s.outcomes)
	if err := s.readSettings(); err != nil {
		return app.Components{}, err
	}
	notifying := s.notifyingHandlers()
	if err := checkTemplates(s.renderer, notifying); err != nil {
		return app.Components{}, err
	}
	box, err := mailbox.New(env.DB)
	if err != nil {
		return app.Components{}, err
	}
	visible := s.server == nil && (!env.Production || s.Mailbox)
	if s.server == nil && !visible {
		s.Log.Warn("no mail is sent to anyone: set NOTIFICATIONS_SMTP_URL, or set NOTIFICATIONS_MAILBOX=true to read the mails at /mailbox")
	}
	return app.Components{
		Routes: func(api *httpapi.API) {
			s.serveInbox(api)
			s.serveDeliveries(api)
			if visible {
				s.serveMailbox(api, box)
			}
		},
		Handlers: s.handlers(notifying),
		Workers: []worker.Worker{
			{Name: "send-mails", Step: s.sendDue, Interval: time.Second, Wake: s.due},
			{Name: "delete-mails", Step: s.deleteOld, Interval: 10 * time.Minute},
		},
	}, nil
}

func newOutcomes() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_notifications_mails_total",
		Help: "Mails that the sender handled, each time it did, by the resulting state: sent, deferred, unknown, rejected, expired, suppressed, waiting, queued.",
	}, []string{"state"})
}

// readSettings reads the settings and prepares what depends on them.
func (s *service) readSettings() error {
	if err := s.Settings(&s.settings); err != nil {
		return err
	}
	from, err := netmail.ParseAddress(s.MailFrom)
	if err == nil {
		s.from, err = smtp.Address(from.Name, from.Address)
	}
	if err != nil {
		return fmt.Errorf("NOTIFICATIONS_MAIL_FROM is %q: it must look like Troupe <hello@example.com>", s.MailFrom)
	}
	_, domain, _ := strings.Cut(s.from.Address, "@")
	if s.renderer, err = content.NewRenderer(content.Templates, cmp.Or(s.from.Name, domain)); err != nil {
		return err
	}
	if s.MailRetention <= 0 {
		return fmt.Errorf("NOTIFICATIONS_MAIL_RETENTION is %s: it must be positive, for example 720h", s.MailRetention)
	}
	if s.SMTPURL == "" {
		return nil
	}
	if s.server, err = smtp.ParseURL(s.SMTPURL); err != nil {
		return err
	}
	if host, err := os.Hostname(); err == nil {
		s.server.LocalName = host
	}
	return nil
}
