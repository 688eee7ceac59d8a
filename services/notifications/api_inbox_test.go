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
			"items.0.kind", "order.paid", "items.0.title", "Your order has been paid", "items.0.order_id", orderID,
			"items.0.body", "We have received your payment of 30.48 EUR. We are now preparing your order for shipping.",
			"items.0.created_at", "2026-01-01T12:00:00.000000Z", "items.0.read_at", nil,
			"items.1.kind", "order.created", "items.2", nil, "next_cursor", nil)

		id := inboxOf(t, h, ada)[0].ID
		mine.Post(t, "/notifications/"+id+"/read", nil).Want(t, 200, "id", id, "read_at", "2026-01-01T12:00:00.000000Z")
		h.Advance(60e9)
		mine.Post(t, "/notifications/"+id+"/read", nil).Want(t, 200, "read_at", "2026-01-01T12:00:00.000000Z")
		mine.Get(t, "/notifications?unread=true").Want(t, 200, "items.0.kind", "order.created", "items.1", nil)
		mine.Get(t, "/notifications?unread=false").Want(t, 200, "items.1.kind", "order.created")
	})
}

func TestAnInboxIsFilteredByOrder(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid)
		mine := h.As(ada, auth.User)
		mine.Get(t, "/notifications?order_id="+orderID).Want(t, 200, "items.0.kind", "order.paid", "items.1.order_id", orderID, "items.2", nil)
		mine.Get(t, "/notifications?limit=1&order_id="+orderID).Want(t, 200, "items.0.kind", "order.paid", "items.1", nil)
		mine.Get(t, "/notifications?order_id=another").Want(t, 200, "items.0", nil)
	})
}

func TestAnInboxIsPaginated(t *testing.T) {
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

func TestAnInboxIsPrivate(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created)
		id := inboxOf(t, h, ada)[0].ID
		for _, stranger := range []*servicetest.Client{h.As(eve, auth.User), h.As("admin", auth.Admin)} {
			stranger.Get(t, "/notifications").Want(t, 200, "items.0", nil)
			stranger.Post(t, "/notifications/"+id+"/read", nil).Problem(t, 404, "notification_not_found")
		}
		h.As(ada, auth.User).Get(t, "/notifications?unread=true").Want(t, 200, "items.0.id", id)
		h.As(ada, auth.User).Post(t, "/notifications/nonsense/read", nil).Problem(t, 404, "notification_not_found")
		h.Anonymous().Get(t, "/notifications").Problem(t, 401, "token_missing")
		h.Anonymous().Post(t, "/notifications/"+id+"/read", nil).Problem(t, 401, "token_missing")
	})
}

func TestAnInboxIsShownInTheUsersPresentLanguage(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, shipped)
		require.Equal(t, "Your order has been shipped", inboxOf(t, h, ada)[0].Title)
		h.Consumes(t, events.UserUpdated{UserID: ada, Email: "ada@example.test", Name: "Ada", Locale: "de", Version: 2})
		require.Equal(t, "Ihre Bestellung wurde versandt", inboxOf(t, h, ada)[0].Title)
	})
}

func TestAnInboxEntryOfAnUnknownKindIsShownWithAGenericText(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, paid, shipped)
		_, err := h.DB.Exec(t.Context(), "UPDATE notices SET kind = 'order.gift_wrapped' WHERE kind = 'order.paid'")
		require.NoError(t, err)
		mine := h.As(ada, auth.User)
		mine.Get(t, "/notifications").Want(t, 200,
			"items.0.title", "Your order has been shipped",
			"items.1.kind", "order.gift_wrapped", "items.1.title", "News about your order DEADBEEF", "items.2", nil)
		id := inboxOf(t, h, ada)[1].ID
		mine.Post(t, "/notifications/"+id+"/read", nil).Want(t, 200, "title", "News about your order DEADBEEF")
	})
}
