package notifications_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/services/notifications"
)

func TestTheMailboxShowsMailsSafely(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		anyone := h.Anonymous()
		require.Contains(t, string(anyone.Get(t, "/mailbox").Want(t, 200).Body), "No mails yet")

		h.Consumes(t, registered(ada, `<script>"Ada"`, "ada@example.test", "en"), created, registered(eve, "Eve", "eve@example.test", "de"))
		list := anyone.Get(t, "/mailbox").Want(t, 200)
		require.Equal(t, "text/html; charset=utf-8", list.Header("Content-Type"))
		require.Contains(t, list.Header("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
		require.Contains(t, string(list.Body), "Welcome to Troupe")
		require.NotContains(t, string(list.Body), "<script")
		require.Contains(t, string(list.Body), "Willkommen bei Troupe")

		id := mails(t, h, "ada@example.test")[1].ID
		page := anyone.Get(t, "/mailbox/"+id).Want(t, 200)
		require.Contains(t, string(page.Body), `<iframe sandbox src="/mailbox/`+id+`/html"`)
		require.Contains(t, string(page.Body), "Your account is ready.")
		require.NotContains(t, string(page.Body), "<script")

		html := anyone.Get(t, "/mailbox/"+id+"/html").Want(t, 200)
		require.Contains(t, html.Header("Content-Security-Policy"), "sandbox; default-src 'none'")
		require.Equal(t, mails(t, h, "ada@example.test")[1].HTML, string(html.Body))
		require.Equal(t, "text/css; charset=utf-8", anyone.Get(t, "/mailbox/mailbox.css").Want(t, 200).Header("Content-Type"))
		anyone.Get(t, "/mailbox/none").Problem(t, 404, "mail_not_found")
		anyone.Get(t, "/mailbox/none/html").Problem(t, 404, "mail_not_found")
	})
}

func TestTheMailboxIsSearchable(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, registered(eve, "Eve", "EVE_100%@example.test", "en"))
		find := func(words string) string {
			return string(h.Anonymous().Get(t, "/mailbox?q="+url.QueryEscape(words)).Want(t, 200).Body)
		}
		require.Contains(t, find("eve_100%@EXAMPLE"), "Welcome to Troupe")
		require.NotContains(t, find("eve_100%@EXAMPLE"), "ada@")
		require.Contains(t, find("have received YOUR"), "We have received your order DEADBEEF")
		require.Contains(t, find(orderID), "We have received your order DEADBEEF")
		require.Contains(t, find("_100%"), "EVE")
		require.NotContains(t, find("_100%"), "ada@")
		require.Contains(t, find("e_e@"), "No mail has", "wildcards are matched literally")
		require.Contains(t, find(`"><script>`), "No mail has “&#34;&gt;&lt;script&gt;”")
		require.Contains(t, find("\x00\xff' OR 1=1 --"), "No mail has")
		require.Contains(t, find(`\`), "No mail has")
		require.Contains(t, find(strings.Repeat("long", 20_000)), "No mail has “long")
		require.Len(t, mails(t, h, "eve_100%25@example.test"), 1)
	})
}

// SQLite folds the case of ASCII letters alone: report axllent/mailpit#239.
func TestAMailIsFoundByAWordWithAnUmlaut(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, registered(eve, "Eve", "eve@example.test", "de"))
		for _, words := range []string{"Ärzte", "bei Ärzte-SHOP", "WILLKOMMEN bei Ä"} {
			found := h.Anonymous().Get(t, "/mailbox?q="+url.QueryEscape(words)).Want(t, 200)
			require.Contains(t, string(found.Body), "Willkommen bei Ärzte-Shop", words)
		}
	}, servicetest.Setting("NOTIFICATIONS_MAIL_FROM", "Ärzte-Shop <hello@shop.invalid>"))
}

func TestTheMailboxIsPaginatedAndReloadsIfAsked(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		for range 50 {
			h.Consumes(t, shipped)
		}
		newest := h.Anonymous().Get(t, "/mailbox").Want(t, 200)
		require.NotContains(t, string(newest.Body), "Welcome")
		oldest := mails(t, h, "ada@example.test")
		require.Contains(t, string(newest.Body), "before="+oldest[49].ID)
		older := h.Anonymous().Get(t, "/mailbox?before="+oldest[49].ID).Want(t, 200)
		require.Contains(t, string(older.Body), "Welcome")
		require.Empty(t, newest.Header("Refresh"))
		require.Equal(t, "2", h.Anonymous().Get(t, "/mailbox?live=1").Header("Refresh"))
	})
}

func TestProductionHidesTheMailboxByDefault(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		for _, path := range []string{"/mailbox", "/mailbox.json", "/mailbox/mailbox.css"} {
			require.Equal(t, 404, h.Anonymous().Get(t, path).Status)
		}
	}, servicetest.Setting("TROUPE_ENV", "production"))
}

func TestProductionShowsTheMailboxIfItIsSet(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		require.Len(t, mails(t, h, "ada@example.test"), 1)
	}, servicetest.Setting("TROUPE_ENV", "production"), servicetest.Setting("NOTIFICATIONS_MAILBOX", "true"))
}

func TestAMailOfAnEarlierVersionIsShown(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		_, err := h.DB.Exec(t.Context(), `INSERT INTO mails (delivery_id, user_id, order_id, sender, recipient, address, subject, text, html, sent_at)
			VALUES ('old', $1, '', 'shop@example.test', 'ada@example.test', 'ada@example.test', 'Hello', 'text', '<p>as it was</p>', 1)`, ada)
		require.NoError(t, err)
		require.Equal(t, "<p>as it was</p>", mails(t, h, "ada@example.test")[0].HTML)
		require.Equal(t, "<p>as it was</p>", string(h.Anonymous().Get(t, "/mailbox/old/html").Want(t, 200).Body))
	})
}
