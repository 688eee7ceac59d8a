// Package notifications informs customers about their account and their orders: by mail,
// by web push, and in an inbox that they can read. It only consumes events. It keeps its
// own copy of the addresses and makes no business decisions.
//
// A handler turns each event that concerns a customer into an inbox entry and deliveries,
// as the customer has chosen, in the transaction that records that the event was handled.
// Workers, the senders, then render and send the mails and pushes that are due. Without
// NOTIFICATIONS_SMTP_URL mails are stored in a built-in mailbox, which a browser shows at
// /mailbox.
//
//	handlers.go         events -> inbox entries and deliveries
//	sender.go           the worker that sends the mails; smtp_submit.go: over SMTP
//	handover.go         from the handlers to the sender, in memory
//	api_inbox.go        the customer's inbox; api_stream.go: as a live stream
//	api_preferences.go  how the customer wants to be notified
//	api_push.go         the browsers that receive pushes; push_*.go: their sender
//	digest.go           digests, and what waits for the end of quiet hours
//	api_deliveries.go   the operator's view of the mails and their attempts
//	webhooks.go         the events for other systems; webhook_dispatch.go sends them
//	api_webhooks.go     the subscriptions of other systems
//	api_mailbox.go      the built-in mailbox
//	internal/pushpage   the page of the development shape that subscribes a browser
//	internal/content    templates and languages
//	internal/webhook    signatures, and what a response means
//	internal/delivery   the states of a delivery and what leads to them
//	internal/preferences  channels, digests and quiet hours
//	internal/push       web push: encryption, identification, push services
//	internal/smtp       the conversation with an SMTP server
//	internal/submission which server takes a mail, and when the queue pauses
//	internal/dkim       signatures; internal/bounce: reports about mails that came back
package notifications

import (
	"cmp"
	"fmt"
	netmail "net/mail"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/feed"
	"troupe/patterns/republish"
	"troupe/patterns/worker"
	"troupe/platform/httpapi"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/dkim"
	"troupe/services/notifications/internal/mailbox"
	"troupe/services/notifications/internal/push"
	"troupe/services/notifications/internal/pushpage"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
	"troupe/services/notifications/internal/submission"
	"troupe/services/notifications/internal/webhook"
)

// Service is the notifications service.
var Service = app.Service{
	Name:       "notifications",
	Port:       8003,
	Owns:       "mails, pushes and inboxes; what customers have chosen; copies of addresses",
	Migrations: store.Migrations,
	Topology:   events.Topology,
	Publishes:  events.Published("notifications"),
	Schema:     events.Schema,
	Build:      build,
}

// pace is how long events are gathered for one transaction: a customer does not notice it,
// and a batch costs about the same for one order and for ten.
const pace = 100 * time.Millisecond

type settings struct {
	// The server that sends the mails: smtp+starttls://user:password@host:587, or smtps://host for TLS from the first byte. In production smtp:// requires STARTTLS too; smtp+plain:// never does. Several, separated by blanks, are asked in this order: the next one while the one before refuses mails for a reason that meets every mail. If empty, mails are stored in the built-in mailbox.
	SMTPURL string `env:"NOTIFICATIONS_SMTP_URL" formerly:"SMTP_URL"`
	// How many mails are sent at a time.
	SMTPConnections int `env:"NOTIFICATIONS_SMTP_CONNECTIONS" envDefault:"4"`
	// How many of them go to addresses of one domain, so that a slow domain leaves connections for others.
	SMTPConnectionsPerDomain int `env:"NOTIFICATIONS_SMTP_CONNECTIONS_PER_DOMAIN" envDefault:"3"`
	// How many mails a second each replica submits to a server, for providers with such a limit; 0 means any number.
	SMTPRate int `env:"NOTIFICATIONS_SMTP_RATE" envDefault:"0"`
	// How long a server may take to accept a connection and a login, and for each mail up to its last byte. The reply to the last byte may take ten times as long, because some servers deliver the mail before they reply.
	SMTPTimeout time.Duration `env:"NOTIFICATIONS_SMTP_TIMEOUT" envDefault:"30s"`
	// The name that EHLO announces: the name of this host in DNS. Default: the host's own name if it has a domain, else the domain of the sender.
	MailHELO string `env:"NOTIFICATIONS_MAIL_HELO"`
	// The sender of the mails. Its name is the name of the shop in the mails.
	MailFrom string `env:"NOTIFICATIONS_MAIL_FROM" formerly:"MAIL_FROM" envDefault:"Troupe <hello@troupe.invalid>"`
	// Whether mails over SMTP are signed with DKIM. Without NOTIFICATIONS_DKIM_KEY_FILE the keys are made at the first start and kept in the database. "troupe notify dkim" prints the DNS records that publish them.
	DKIM bool `env:"NOTIFICATIONS_DKIM" envDefault:"true"`
	// The name of the RSA key in DNS; that of the Ed25519 key is this with -ed25519.
	DKIMSelector string `env:"NOTIFICATIONS_DKIM_SELECTOR" envDefault:"troupe"`
	// A file with the private keys in PEM, an RSA key, an Ed25519 key, or both, instead of those in the database.
	DKIMKeyFile string `env:"NOTIFICATIONS_DKIM_KEY_FILE"`
	// The address for reports about mails that could not be delivered, such as bounces@example.com: mails have it as their return address, with their id after a plus sign. Its mail server hands what it receives to POST /mail/returned. If empty, reports are sent to the sender.
	BounceAddress string `env:"NOTIFICATIONS_BOUNCE_ADDRESS"`
	// The token with which that mail server calls POST /mail/returned, of at least 16 characters. If empty, only admins may.
	BounceSecret string `env:"NOTIFICATIONS_BOUNCE_SECRET"`
	// Where customers reach the gateway, such as https://api.shop.example. Links in mails begin with it. If empty, mails have no link to unsubscribe.
	PublicURL string `env:"NOTIFICATIONS_PUBLIC_URL"`
	// How many mails that cost nothing to cause (about a registration, an order that was placed, an order that was cancelled) one address gets in an hour; 0 means any number. Those beyond are left out, and are only in the customer's inbox.
	MailsPerHour int `env:"NOTIFICATIONS_MAILS_PER_HOUR" envDefault:"20"`
	// How long the mails in the built-in mailbox, and the content of orders for later mails, are kept.
	MailRetention time.Duration `env:"NOTIFICATIONS_MAIL_RETENTION" formerly:"MAIL_RETENTION" envDefault:"720h"`
	// How many live streams of inboxes each replica has at a time.
	Streams int `env:"NOTIFICATIONS_STREAMS" envDefault:"1000"`
	// How many of them one user has on a replica: one for each page that is open.
	StreamsPerUser int `env:"NOTIFICATIONS_STREAMS_PER_USER" envDefault:"8"`
	// Private networks in which webhooks may be called, for example 10.1.0.0/16. Without it only public addresses are called, and in development this machine too.
	WebhookNetworks []netip.Prefix `env:"NOTIFICATIONS_WEBHOOK_NETWORKS"`
	// How long deliveries to webhooks are kept, with the events; at least 72h, because a delivery is retried for as long.
	WebhookRetention time.Duration `env:"NOTIFICATIONS_WEBHOOK_RETENTION" envDefault:"168h"`
	// Whether the built-in mailbox is also shown in production, at /mailbox and without a login.
	Mailbox bool `env:"NOTIFICATIONS_MAILBOX" formerly:"MAILBOX" envDefault:"false"`
	// The push services to which pushes are sent, separated by commas: host, host:port, or *.domain for the hosts below a domain. The default are those of the browsers.
	PushServices []string `env:"NOTIFICATIONS_PUSH_SERVICES" envDefault:"fcm.googleapis.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com"`
	// Address ranges that push services may have although they are not public, such as 10.0.0.0/8, for a push service of your own.
	PushNetworks []netip.Prefix `env:"NOTIFICATIONS_PUSH_NETWORKS"`
	// A PEM file with the authority that certifies a push service of your own; empty: those of the system.
	PushCA string `env:"NOTIFICATIONS_PUSH_CA"`
	// How push services reach you when your pushes cause trouble: mailto:push@shop.example or an https:// URL. If empty, the address of NOTIFICATIONS_MAIL_FROM.
	PushContact string `env:"NOTIFICATIONS_PUSH_CONTACT"`
	// How many pushes that cost nothing to cause (about an order that was placed, declined or cancelled) one browser gets in an hour; 0 means any number. Those beyond are left out, and are only in the customer's inbox.
	PushesPerHour int `env:"NOTIFICATIONS_PUSHES_PER_HOUR" envDefault:"20"`
	// How many browsers of one customer may receive pushes.
	PushSubscriptions int `env:"NOTIFICATIONS_PUSH_SUBSCRIPTIONS" envDefault:"20"`
}

// service is what the handlers, the workers and the API share.
type service struct {
	app.Env
	settings

	renderer *content.Renderer
	from     netmail.Address
	servers  *submission.Servers // nil: mails are stored in the built-in mailbox
	dkim     *dkim.Signer        // nil: mails are not signed
	links    unsubscribeLinks
	outcomes *prometheus.CounterVec // of the sender, by the state of the delivery
	due      worker.Notifier        // notified when a delivery becomes due
	handed   *handover              // mails that this replica has leased as it queued them
	inboxes  *feed.Feed             // wakes the live streams of inboxes

	pushServices push.Services
	pusher       *push.Sender
	pushOutcomes *prometheus.CounterVec // by the state of the delivery
	pushRefused  prometheus.Counter
	pushesDue    worker.Notifier // notified when a push becomes due

	webhooks        *webhooks
	webhookAttempts *prometheus.CounterVec // by their result
}

func build(env app.Env) (app.Components, error) {
	s := &service{Env: env, due: worker.NewNotifier(), outcomes: newOutcomes(), pushesDue: worker.NewNotifier()}
	s.pushOutcomes, s.pushRefused = newPushMetrics()
	env.Registry.MustRegister(s.outcomes, s.pushOutcomes, s.pushRefused)
	if err := s.readSettings(); err != nil {
		return app.Components{}, err
	}
	s.inboxes = s.newFeed()
	s.inboxes.RegisterMetrics(env.Registry)
	if err := s.readKeys(); err != nil {
		return app.Components{}, err
	}
	s.handed = &handover{lease: env.NewID()}
	if err := checkTemplates(s.renderer); err != nil {
		return app.Components{}, err
	}
	s.prepareWebhooks()
	handlers := s.handlers()
	s.webhooks.types = webhookTypes(handlers)
	box, err := mailbox.New(env.DB, s.renderer.Parts)
	if err != nil {
		return app.Components{}, err
	}
	return app.Components{
		Routes:         func(api *httpapi.API) { s.routes(api, box) },
		Handlers:       handlers,
		Pace:           pace,
		Projections:    []republish.Projection{{Name: "users", Empty: store.NoRecipients}},
		Workers:        s.workers(),
		Stopping:       s.inboxes.Stop,
		SessionRevoked: store.EndPushSubscriptions,
		Drain:          s.drain,
		Close:          func() error { s.pusher.Close(); return nil },
	}, nil
}

func (s *service) routes(api *httpapi.API, box *mailbox.Mailbox) {
	s.serveInbox(api)
	s.serveStream(api)
	s.servePreferences(api)
	s.servePush(api)
	s.serveDeliveries(api)
	s.serveWebhooks(api)
	s.serveSuppressions(api)
	s.serveReturnedMail(api)
	s.serveUnsubscribe(api)
	s.serveMailTools(api)
	visible := s.servers == nil && (!s.Production || s.Mailbox)
	if s.servers == nil && !visible {
		s.Log.Warn("no mail is sent to anyone: set NOTIFICATIONS_SMTP_URL, or set NOTIFICATIONS_MAILBOX=true to read the mails at /mailbox")
	}
	if visible {
		s.serveMailbox(api, box)
		box.ServePreviews(api, mailbox.Previews{Kinds: mailedKinds(), Languages: s.renderer.Languages(), Render: s.sample})
	}
	if !s.Production {
		pushpage.Serve(api)
	}
}

func (s *service) workers() []worker.Worker {
	return append(s.senders(), []worker.Worker{
		{Name: "send-pushes", Step: s.sendPushes, Interval: time.Second, Wake: s.pushesDue},
		{Name: "send-held", Step: s.sendHeld, Interval: 10 * time.Second},
		{Name: "end-leases", Step: s.endLeases, Interval: 10 * time.Second},
		{Name: "delete-mails", Background: true, Step: s.deleteOld, Interval: 10 * time.Minute},
		{Name: "send-webhooks", Step: s.dispatchWebhooks, Interval: time.Second, Wake: s.webhooks.due},
		{Name: "record-webhooks", Step: s.recordWebhooks, Interval: time.Second, Wake: s.webhooks.ended},
		{Name: "delete-webhook-deliveries", Background: true, Step: s.deleteOldWebhooks, Interval: 10 * time.Minute},
		s.inboxes.Worker(feedEvery),
		{Name: "number-entries", Step: s.numberEntries, Interval: time.Second},
	}...)
}

func newOutcomes() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_notifications_mails_total",
		Help: "Mails that the sender handled, each time it did, by the resulting state: sent, deferred, unknown, rejected, expired, suppressed, superseded, waiting, queued.",
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
	if s.MailsPerHour < 0 {
		return fmt.Errorf("NOTIFICATIONS_MAILS_PER_HOUR is %d: it must be 0, for any number, or more", s.MailsPerHour)
	}
	if s.WebhookRetention < webhook.MaxAge {
		return fmt.Errorf("NOTIFICATIONS_WEBHOOK_RETENTION is %s: it must be at least 72h, for example 168h", s.WebhookRetention)
	}
	for name, n := range map[string]int{"NOTIFICATIONS_STREAMS": s.Streams, "NOTIFICATIONS_STREAMS_PER_USER": s.StreamsPerUser} {
		if n < 1 {
			return fmt.Errorf("%s is %d: it must be at least 1", name, n)
		}
	}
	if err := s.preparePush(); err != nil {
		return err
	}
	return s.readServers(domain)
}

// readServers reads the settings of the SMTP servers; domain is that of the sender.
func (s *service) readServers(domain string) error {
	switch {
	case s.SMTPConnections < 1 || s.SMTPConnections > 100:
		return fmt.Errorf("NOTIFICATIONS_SMTP_CONNECTIONS is %d: it must be from 1 to 100", s.SMTPConnections)
	case s.SMTPConnectionsPerDomain < 1:
		return fmt.Errorf("NOTIFICATIONS_SMTP_CONNECTIONS_PER_DOMAIN is %d: it must be at least 1", s.SMTPConnectionsPerDomain)
	case s.SMTPRate < 0:
		return fmt.Errorf("NOTIFICATIONS_SMTP_RATE is %d: it must be 0, for any number, or more", s.SMTPRate)
	case s.SMTPTimeout <= 0:
		return fmt.Errorf("NOTIFICATIONS_SMTP_TIMEOUT is %s: it must be positive, for example 30s", s.SMTPTimeout)
	case s.MailHELO != "" && !smtp.IsHELO(s.MailHELO):
		return fmt.Errorf("NOTIFICATIONS_MAIL_HELO is %q: it must be a host name with a domain, such as mail.example.com", s.MailHELO)
	}
	servers, err := smtp.ParseURLs(s.SMTPURL, s.Production)
	if err != nil || len(servers) == 0 {
		return err
	}
	for _, each := range servers {
		each.LocalName = s.localName(domain)
		each.Sign = s.sign
		each.CommandTimeout, each.DotTimeout = s.SMTPTimeout, 10*s.SMTPTimeout
	}
	s.servers = submission.New(submission.Config{
		Servers: servers, PerDomain: s.SMTPConnectionsPerDomain, Rate: s.SMTPRate, Now: s.Now, Log: s.Log, Registry: s.Registry, Journal: s.Journal,
	})
	return nil
}

// localName returns the name that EHLO announces. Servers refuse one without a domain.
func (s *service) localName(domain string) string {
	if s.MailHELO != "" {
		return s.MailHELO
	}
	if host, err := os.Hostname(); err == nil && smtp.IsHELO(host) {
		return host
	}
	return domain
}
