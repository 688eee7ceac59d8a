package notifications_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

func TestACustomerReadsTheirInbox(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid)
		mine := h.As(ada, auth.User)
		mine.Get(t, "/notifications").Want(t, 200,
			"items.0.kind", "order.paid", "items.0.title", "Payment received", "items.0.order_id", orderID,
			"items.0.body", "We have received your payment of 30.48 EUR. Your order is being packed.",
			"items.0.created_at", "2026-01-01T12:00:00Z", "items.0.read_at", nil,
			"items.1.kind", "order.created", "items.2", nil, "next_cursor", nil)

		id := inboxOf(t, h, ada)[0].ID
		mine.Post(t, "/notifications/"+id+"/read", nil).Want(t, 200, "id", id, "read_at", "2026-01-01T12:00:00Z")
		h.Advance(60e9)
		mine.Post(t, "/notifications/"+id+"/read", nil).Want(t, 200, "read_at", "2026-01-01T12:00:00Z")
		mine.Get(t, "/notifications?unread=true").Want(t, 200, "items.0.kind", "order.created", "items.1", nil)
		mine.Get(t, "/notifications?unread=false").Want(t, 200, "items.1.kind", "order.created")
	})
}

func TestAnInboxIsReadPageByPage(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, created, paid, shipped, delivered, refunded)
		mine := h.As(ada, auth.User)
		var seen []string
		for path := "/notifications?limit=2"; path != ""; {
			var page struct {
				Items      []entry
				NextCursor string `json:"next_cursor"`
			}
			mine.Get(t, path).Want(t, 200).JSON(t, &page)
			seen = append(seen, kinds(page.Items)...)
			path = ""
			if page.NextCursor != "" {
				path = "/notifications?limit=2&cursor=" + page.NextCursor
			}
		}
		require.Equal(t, []string{"payment.refunded", "order.delivered", "order.shipped", "order.paid", "order.created"}, seen)
		mine.Get(t, "/notifications?cursor=nonsense").Problem(t, 422, "cursor_invalid")
	})
}

func TestNobodyReadsAnothersInbox(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created)
		id := inboxOf(t, h, ada)[0].ID
		for _, stranger := range []*servicetest.Client{h.As(eve, auth.User), h.As("admin", auth.Admin)} {
			stranger.Get(t, "/notifications").Want(t, 200, "items.0", nil)
			stranger.Post(t, "/notifications/"+id+"/read", nil).Problem(t, 404, "notification_unknown")
		}
		h.As(ada, auth.User).Get(t, "/notifications?unread=true").Want(t, 200, "items.0.id", id)
		h.As(ada, auth.User).Post(t, "/notifications/nonsense/read", nil).Problem(t, 404, "notification_unknown")
		h.Anonymous().Get(t, "/notifications").Problem(t, 401, "token_missing")
		h.Anonymous().Post(t, "/notifications/"+id+"/read", nil).Problem(t, 401, "token_missing")
	})
}

func TestAnInboxFollowsItsOwnersLanguage(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, shipped)
		require.Equal(t, "Your order is on its way", inboxOf(t, h, ada)[0].Title)
		h.Consumes(t, events.UserUpdated{UserID: ada, Email: "ada@example.test", Name: "Ada", Locale: "de", Version: 2})
		require.Equal(t, "Ihre Bestellung ist unterwegs", inboxOf(t, h, ada)[0].Title)
	})
}

func TestAnOperatorSeesWhatBecameOfAMail(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid)
		admin := h.As("admin", auth.Admin)
		admin.Get(t, "/deliveries?order_id="+orderID+"&state=sent").Want(t, 200,
			"items.0.kind", "order.paid", "items.0.state", "sent", "items.0.channel", "email", "items.0.user_id", ada,
			"items.1.kind", "order.created", "items.2", nil)
		admin.Get(t, "/deliveries?state=rejected").Want(t, 200, "items.0", nil)
		admin.Get(t, "/deliveries?order_id=none").Want(t, 200, "items.0", nil)
		require.Equal(t, 422, admin.Get(t, "/deliveries?state=lost").Status)
		cursor := admin.Get(t, "/deliveries?limit=1").Want(t, 200, "items.0.kind", "order.paid").Field(t, "next_cursor")
		admin.Get(t, "/deliveries?limit=1&cursor="+cursor).Want(t, 200, "items.0.kind", "order.created")

		id := admin.Get(t, "/deliveries").Field(t, "items.0.id")
		admin.Get(t, "/deliveries/"+id).Want(t, 200, "id", id, "log", nil)
		admin.Post(t, "/deliveries/"+id+"/retry", nil).Problem(t, 409, "delivery_not_retryable")
		admin.Get(t, "/deliveries/none").Problem(t, 404, "delivery_unknown")
		admin.Post(t, "/deliveries/none/retry", nil).Problem(t, 404, "delivery_unknown")

		customer := h.As(ada, auth.User)
		customer.Get(t, "/deliveries").Problem(t, 403, "role_required")
		customer.Get(t, "/deliveries/"+id).Problem(t, 403, "role_required")
		customer.Post(t, "/deliveries/"+id+"/retry", nil).Problem(t, 403, "role_required")
	})
}
