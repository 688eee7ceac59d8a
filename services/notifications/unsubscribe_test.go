package notifications_test

import (
	"io"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// header returns the header of a mail.
func header(t *testing.T, m smtptest.Mail) mail.Header {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(m.Data))
	require.NoError(t, err)
	return parsed.Header
}

func runWithLinks(t *testing.T, test func(t *testing.T, h *servicetest.Harness, server *smtptest.Server)) {
	t.Helper()
	runWithServer(t, test, servicetest.Setting("NOTIFICATIONS_PUBLIC_URL", "https://api.shop.test/"))
}

// unsubscribeLink returns the path of the link in a mail's header.
func unsubscribeLink(t *testing.T, m smtptest.Mail) string {
	t.Helper()
	link := header(t, m).Get("List-Unsubscribe")
	require.Regexp(t, `^<https://api\.shop\.test/unsubscribe\?[^>]+>$`, link)
	return strings.Trim(strings.TrimPrefix(link, "<https://api.shop.test"), ">")
}

func TestOneClickEndsTheMailsOfOneCategory(t *testing.T) {
	runWithLinks(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, registered(ada, "Ada", "ada@example.test", "de"), shipped)
		m := server.Mails()[1]
		require.Equal(t, "List-Unsubscribe=One-Click", header(t, m).Get("List-Unsubscribe-Post"))
		link := unsubscribeLink(t, m)
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(m.Data)))
		require.NoError(t, err)
		require.Contains(t, string(text), "Keine Mails zum Versand mehr erhalten:\r\nhttps://api.shop.test"+link)

		page := h.Anonymous().Get(t, link).Want(t, 200)
		require.Contains(t, string(page.Body), "Abbestellen")
		h.As(ada, auth.User).Get(t, "/notifications/preferences").Want(t, 200, "categories.shipping.email", true)

		// as a mail program does it, without cookies
		client := h.Anonymous().With("Content-Type", "application/x-www-form-urlencoded")
		for range 2 {
			require.Contains(t, string(client.Post(t, link, "List-Unsubscribe=One-Click").Want(t, 200).Body), "Mails abbestellt")
		}
		h.As(ada, auth.User).Get(t, "/notifications/preferences").Want(t, 200,
			"categories.shipping.email", false, "categories.shipping.inbox", true, "categories.orders.email", true)
		require.Equal(t, []string{ada + " unsubscribe ok " + ada}, h.Audited(t))

		h.Consumes(t, otherShipped, paid)
		require.Equal(t, "Ihre Bestellung DEADBEEF ist bezahlt (30,48 EUR)", order(server)[2], "that of the parcel is left out")
		require.Len(t, inboxOf(t, h, ada), 3)
	})
}

func TestWhatIsCriticalHasNoLinkToUnsubscribe(t *testing.T) {
	runWithLinks(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered, created, paid, events.UserPasswordChanged{UserID: ada})
		require.Len(t, server.Mails(), 4)
		for _, m := range server.Mails() {
			require.NotContains(t, m.Data, "nsubscribe")
		}
	})
}

func TestALinkWorksForItsUserAndCategoryAlone(t *testing.T) {
	runWithLinks(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered, registered(eve, "Eve", "eve@example.test", "en"), shipped)
		link := unsubscribeLink(t, server.Mails()[2])
		for name, changed := range map[string]string{
			"another user":     strings.Replace(link, ada, eve, 1),
			"another category": strings.Replace(link, "shipping", "security", 1),
			"no signature":     regexp.MustCompile(`signature=[^&]*`).ReplaceAllString(link, "signature="),
			"nothing":          "/unsubscribe",
		} {
			h.Anonymous().Get(t, changed).Problem(t, 404, "link_invalid")
			require.Equal(t, 404, h.Anonymous().Post(t, changed, nil).Status, name)
		}
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		require.Equal(t, 200, h.Anonymous().Post(t, link, nil).Status, "nothing is sent to the user any more")
		var n int
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM preferences").Scan(&n))
		require.Zero(t, n)
	})
}

func TestWithoutAPublicAddressThereIsNoLink(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered, shipped)
		require.NotContains(t, server.Mails()[1].Data, "nsubscribe")
		h.Anonymous().Get(t, "/unsubscribe?user="+ada+"&category=shipping&signature=").Problem(t, 404, "link_invalid")
	})
}
