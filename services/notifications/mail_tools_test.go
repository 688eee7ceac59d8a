package notifications_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/dkim"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// records returns the DNS records that an operator is shown, by name.
func records(t *testing.T, h *servicetest.Harness) map[string]string {
	t.Helper()
	var body struct {
		Records []struct{ Name, Type, Value string }
	}
	h.As("admin", auth.Admin).Get(t, "/mail/dkim").Want(t, 200).JSON(t, &body)
	byName := map[string]string{}
	for _, r := range body.Records {
		require.Equal(t, "TXT", r.Type)
		byName[r.Name] = r.Value
	}
	return byName
}

func requireSigned(t *testing.T, data string, records map[string]string) {
	t.Helper()
	verifications, err := msgauth.VerifyWithOptions(bytes.NewReader([]byte(data)), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return []string{records[name]}, nil },
	})
	require.NoError(t, err)
	require.Len(t, verifications, len(records))
	for _, v := range verifications {
		require.NoError(t, v.Err)
		require.Equal(t, "shop.test", v.Domain)
	}
}

func TestEachMailIsSignedWithTheKeysThatAnOperatorPublishes(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered, created)
		published := records(t, h)
		require.Len(t, published, 2)
		require.Contains(t, published["troupe._domainkey.shop.test"], "v=DKIM1; k=rsa; p=")
		require.Contains(t, published["troupe-ed25519._domainkey.shop.test"], "v=DKIM1; k=ed25519; p=")
		for _, m := range server.Mails() {
			requireSigned(t, m.Data, published)
		}
		require.Equal(t, 403, h.As(ada, auth.User).Get(t, "/mail/dkim").Status)
	}, servicetest.Setting("NOTIFICATIONS_DKIM", "true"))
}

func TestReplicasShareTheKeys(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		published := records(t, h)
		other, err := app.NewInstance(notifications.Service, app.Dependencies{
			Environ: map[string]string{"NOTIFICATIONS_SMTP_URL": "smtp://shop:secret@" + server.Addr, "NOTIFICATIONS_MAIL_FROM": "hello@shop.test"},
			DB:      h.DB, Publisher: sink{}, Peers: map[string]string{}, Transport: http.DefaultTransport, Now: h.Now, NewID: newID, Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		consume(t, other, adaRegistered)
		require.NoError(t, settle(t.Context(), other))
		requireSigned(t, server.Mails()[0].Data, published)
	}, servicetest.Setting("NOTIFICATIONS_DKIM", "true"))
}

func TestKeysOfAFileSignMails(t *testing.T) {
	keys, err := dkim.NewKeys()
	require.NoError(t, err)
	text, err := dkim.FormatKeys(keys[:1])
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dkim.pem")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		published := records(t, h)
		require.Len(t, published, 1)
		requireSigned(t, server.Mails()[0].Data, published)
	}, servicetest.Setting("NOTIFICATIONS_DKIM", "true"), servicetest.Setting("NOTIFICATIONS_DKIM_KEY_FILE", file))
}

func TestAKeyFileThatOthersCanReadStopsTheStart(t *testing.T) {
	t.Parallel()
	keys, err := dkim.NewKeys()
	require.NoError(t, err)
	text, err := dkim.FormatKeys(keys[:1])
	require.NoError(t, err)
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o440: false, 0o644: true, 0o620: true} {
		file := filepath.Join(t.TempDir(), "dkim.pem")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.NoError(t, os.Chmod(file, mode))
		_, err := app.NewInstance(notifications.Service, app.Dependencies{
			Environ: map[string]string{"NOTIFICATIONS_SMTP_URL": "smtp://mail.example.test", "NOTIFICATIONS_DKIM_KEY_FILE": file},
			DB:      sqldbtest.SQLite(t, app.Migrations(notifications.Service)...), Publisher: sink{}, Peers: map[string]string{},
			Transport: http.DefaultTransport, Now: time.Now, NewID: newID, Log: slog.New(slog.DiscardHandler),
		})
		if refused {
			require.ErrorContains(t, err, "NOTIFICATIONS_DKIM_KEY_FILE cannot be used: the mode of "+file)
		} else {
			require.NoError(t, err)
		}
	}
}

func TestWithoutAServerATestMailIsStoredWithBothParts(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As("admin", auth.Admin).Post(t, "/mail/test", map[string]string{"address": "me@example.test"}).Want(t, 200, "state", "stored")
		m := mails(t, h, "me@example.test")[0]
		require.Contains(t, m.Text, "test")
		require.Contains(t, m.HTML, "<html")
	})
}

func TestATestMailShowsWhatTheServerReplies(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		admin := h.As("admin", auth.Admin)
		admin.Post(t, "/mail/test", map[string]string{"address": "me@example.test", "language": "de"}).Want(t, 200, "state", "sent")
		require.Equal(t, []string{"Testmail von Tea & Mugs"}, order(server))
		require.Equal(t, "me@example.test", server.Mails()[0].To)

		server.Fail(smtptest.Fault{At: delivery.Rcpt, Reply: "554 5.7.1 Relay access denied"})
		admin.Post(t, "/mail/test", map[string]string{"address": "me@example.test"}).
			Want(t, 200, "state", "deferred", "phase", "rcpt", "about", "relay", "reply", "554 5.7.1 Relay access denied")
		admin.Post(t, "/mail/test", map[string]string{"address": "nobody"}).Problem(t, 422, "address_invalid")
		require.Equal(t, 403, h.As(ada, auth.User).Post(t, "/mail/test", map[string]string{"address": "me@example.test"}).Status)
		require.Equal(t, []string{"admin send_test_mail ok ", "admin send_test_mail ok "}, h.Audited(t)[:2])
	})
}

func TestWithoutAServerATestMailIsInTheMailbox(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		admin := h.As("admin", auth.Admin)
		admin.Post(t, "/mail/test", map[string]string{"address": "me@example.test"}).Want(t, 200, "state", "stored")
		require.Equal(t, []string{"Test mail from Troupe"}, subjects(t, h, "me@example.test"))
		admin.Get(t, "/mail/dkim").Problem(t, 404, "dkim_off")
	})
}

func TestAPreviewShowsAMailInALanguage(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		admin := h.As("admin", auth.Admin)
		admin.Get(t, "/mail/preview/order.paid?language=de").Want(t, 200, "subject", "Ihre Bestellung 1A2B3C4D ist bezahlt (12,99 EUR)")
		admin.Get(t, "/mail/preview/order.paid.v1").Want(t, 200, "subject", "Your order 1A2B3C4D has been paid (12.99 EUR)")
		require.Contains(t, admin.Get(t, "/mail/preview/order.cancelled?reason=deadline").Field(t, "text"), "in time")
		admin.Get(t, "/mail/preview/order.vanished").Problem(t, 404, "kind_unknown")

		list := string(h.Anonymous().Get(t, "/mail-preview").Body)
		for _, kind := range []string{"order.created", "order.shipped", "user.registered", "payment.refunded"} {
			for _, language := range []string{"en", "de"} {
				link := "/mail-preview/" + language + "/" + kind
				require.Contains(t, list, `href="`+link+`"`)
				require.Contains(t, string(h.Anonymous().Get(t, link).Body), "<pre>"+map[string]string{"en": "Hello", "de": "Hallo"}[language])
				html := h.Anonymous().Get(t, link+"/html")
				require.True(t, strings.HasPrefix(html.Header("Content-Security-Policy"), "sandbox"))
			}
		}
		require.Equal(t, 404, h.Anonymous().Get(t, "/mail-preview/xx/order.paid").Status)
	})
}

func TestMailsAreStoredNowhereIfTheyAreSent(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered, created)
		require.Len(t, server.Mails(), 2)
		var n int
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM mails").Scan(&n))
		require.Zero(t, n)
		for _, path := range []string{"/mailbox", "/mailbox.json", "/mail-preview"} {
			require.Equal(t, 404, h.Anonymous().Get(t, path).Status)
		}
	})
}
