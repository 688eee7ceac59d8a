package notifications_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/services/notifications"
)

func TestABadSettingStopsTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setting, value string }{
		"a sender that is not an address":     {"NOTIFICATIONS_MAIL_FROM", "nobody"},
		"a sender with a line break":          {"NOTIFICATIONS_MAIL_FROM", "=?utf-8?q?a=0D=0Ab?= <a@shop.test>"},
		"a server that is not SMTP":           {"NOTIFICATIONS_SMTP_URL", "http://mail"},
		"one of two servers that is not SMTP": {"NOTIFICATIONS_SMTP_URL", "smtp://mail smtp2://mail"},
		"a HELO name without a domain":        {"NOTIFICATIONS_MAIL_HELO", "vm"},
		"a HELO name with a line break":       {"NOTIFICATIONS_MAIL_HELO", "a.example\r\nMAIL"},
		"no connections":                      {"NOTIFICATIONS_SMTP_CONNECTIONS", "0"},
		"no connections to a domain":          {"NOTIFICATIONS_SMTP_CONNECTIONS_PER_DOMAIN", "0"},
		"no time for a server":                {"NOTIFICATIONS_SMTP_TIMEOUT", "0s"},
		"a negative rate":                     {"NOTIFICATIONS_SMTP_RATE", "-1"},
		"a public address without a scheme":   {"NOTIFICATIONS_PUBLIC_URL", "shop.example"},
		"a bounce address without a domain":   {"NOTIFICATIONS_BOUNCE_ADDRESS", "bounces"},
		"a short bounce secret":               {"NOTIFICATIONS_BOUNCE_SECRET", "secret"},
		"a bounce secret with blanks":         {"NOTIFICATIONS_BOUNCE_SECRET", "a secret with several blanks"},
		"a retention that is no duration":     {"NOTIFICATIONS_MAIL_RETENTION", "soon"},
		"a negative retention":                {"NOTIFICATIONS_MAIL_RETENTION", "-1h"},
		"a push service that is a URL":        {"NOTIFICATIONS_PUSH_SERVICES", "https://push.example/"},
		"every host as a push service":        {"NOTIFICATIONS_PUSH_SERVICES", "*"},
		"a network that is no address range":  {"NOTIFICATIONS_PUSH_NETWORKS", "home"},
		"an authority that does not exist":    {"NOTIFICATIONS_PUSH_CA", "/does/not/exist.pem"},
		"a contact that is no URL":            {"NOTIFICATIONS_PUSH_CONTACT", "push@shop.test"},
		"a contact with a name":               {"NOTIFICATIONS_PUSH_CONTACT", "mailto:Shop <push@shop.test>"},
		"no push subscription":                {"NOTIFICATIONS_PUSH_SUBSCRIPTIONS", "0"},
		"a mailbox that is not true or false": {"NOTIFICATIONS_MAILBOX", "perhaps"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := app.NewInstance(notifications.Service, app.Dependencies{
				Environ: map[string]string{c.setting: c.value}, Peers: map[string]string{}, Log: slog.New(slog.DiscardHandler),
			})
			require.ErrorContains(t, err, c.setting)
		})
	}
}

func TestAFormerSettingNameIsStillRead(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		require.Equal(t, `"Tea & Mugs" <hello@shop.test>`, mails(t, h, "ada@example.test")[0].From)
		h.Advance(2 * time.Hour)
		h.Settle(t)
		require.Empty(t, mails(t, h, "ada@example.test"))
	}, servicetest.Setting("MAIL_FROM", "Tea & Mugs <hello@shop.test>"), servicetest.Setting("MAIL_RETENTION", "1h"))
}
