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
		"a retention that is no duration":     {"NOTIFICATIONS_MAIL_RETENTION", "soon"},
		"a negative retention":                {"NOTIFICATIONS_MAIL_RETENTION", "-1h"},
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
