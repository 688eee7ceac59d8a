package notifications_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

// becomes gives the mails of a kind a state, as a server that fails does.
func becomes(t *testing.T, h *servicetest.Harness, kind, state string, waits bool) {
	t.Helper()
	var next any
	if waits {
		next = h.Now().Add(time.Hour).UnixMicro()
	}
	_, err := h.DB.Exec(t.Context(), "UPDATE deliveries SET state = $2, next_at = $3 WHERE kind = $1", kind, state, next)
	require.NoError(t, err)
}

// deliveryOf returns the id of the newest delivery that a query selects.
func deliveryOf(t *testing.T, h *servicetest.Harness, query string) string {
	t.Helper()
	return h.As("root", auth.Admin).Get(t, "/deliveries?"+query).Want(t, 200).Field(t, "items.0.id")
}

func TestAnUnknownDeliveryIsResolved(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid, shipped)
		admin := h.As("root", auth.Admin)
		becomes(t, h, "order.paid", "unknown", true)
		before := len(servicetest.Published[events.NotificationSent](t, h))
		id := deliveryOf(t, h, "kind=order.paid")
		admin.Post(t, "/deliveries/"+id+"/resolve", `{}`).Problem(t, 422, "validation_failed")
		admin.Post(t, "/deliveries/"+id+"/resolve", map[string]bool{"sent": true}).Want(t, 200, "state", "sent", "next_at", nil)
		require.Len(t, servicetest.Published[events.NotificationSent](t, h), before+1)
		admin.Post(t, "/deliveries/"+id+"/resolve", map[string]bool{"sent": true}).Problem(t, 409, "delivery_not_unknown")

		becomes(t, h, "order.paid", "unknown", true)
		sent := len(mails(t, h, "ada@example.test"))
		_, err := h.DB.Exec(t.Context(), "DELETE FROM mails WHERE delivery_id = $1", id)
		require.NoError(t, err)
		admin.Post(t, "/deliveries/"+id+"/resolve", map[string]bool{"sent": false}).Want(t, 200, "state", "queued")
		h.Settle(t)
		require.Len(t, mails(t, h, "ada@example.test"), sent, "it is sent now")
		admin.Get(t, "/audit/notifications?action=resolve_delivery").Want(t, 200, "items.0.detail", "not sent", "items.1.detail", "sent", "items.2", nil)
		admin.Post(t, "/deliveries/none/resolve", map[string]bool{"sent": true}).Problem(t, 404, "delivery_not_found")
		h.As(ada, auth.User).Post(t, "/deliveries/"+id+"/resolve", map[string]bool{"sent": true}).Problem(t, 403, "role_required")
	})
}

func TestADeliveryThatWaitsIsSuppressed(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, paid) // there is no address yet
		admin := h.As("root", auth.Admin)
		id := deliveryOf(t, h, "state=waiting")
		admin.Post(t, "/deliveries/"+id+"/suppress", nil).Want(t, 200, "state", "suppressed", "reply", "suppressed by an admin")
		require.Len(t, servicetest.Published[events.NotificationFailed](t, h), 1)
		h.Consumes(t, adaRegistered)
		require.Equal(t, []string{"Welcome to Troupe"}, subjects(t, h, "ada@example.test"))
		admin.Post(t, "/deliveries/"+id+"/suppress", nil).Problem(t, 409, "delivery_not_waiting")
		admin.Get(t, "/audit/notifications?action=suppress_delivery").Want(t, 200, "items.0.target", id, "items.1", nil)
	})
}

func TestAllDeliveriesOfAStateAreRetried(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid, shipped)
		var more []event.Payload
		for range 600 { // more than one batch
			more = append(more, events.OrderShipped{OrderID: newID(), UserID: ada})
		}
		h.ConsumesBatch(t, more...)
		becomes(t, h, "order.shipped", "rejected", false)
		becomes(t, h, "order.paid", "expired", false)
		admin := h.As("root", auth.Admin)
		admin.Post(t, "/deliveries/retry", map[string]any{"state": "sent"}).Problem(t, 422, "validation_failed")
		admin.Post(t, "/deliveries/retry", map[string]any{"state": "rejected", "channel": "push"}).Want(t, 200, "retried", 0)
		admin.Post(t, "/deliveries/retry", map[string]any{"state": "rejected", "kind": "order.paid"}).Want(t, 200, "retried", 0)
		admin.Post(t, "/deliveries/retry", map[string]any{"state": "rejected"}).Want(t, 200, "retried", 601)
		h.Settle(t)
		admin.Get(t, "/deliveries?state=rejected").Want(t, 200, "items.0", nil)
		admin.Get(t, "/deliveries?state=expired").Want(t, 200, "items.0.kind", "order.paid", "items.1", nil)
		admin.Get(t, "/audit/notifications?action=retry_deliveries").Want(t, 200, "items.0.detail", "101 that were rejected", "items.1.detail", "500 that were rejected")
		h.As(ada, auth.User).Post(t, "/deliveries/retry", map[string]any{"state": "rejected"}).Problem(t, 403, "role_required")
	})
}

func TestTheDeskShowsDeliveriesOfAllChannels(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		erp := newReceiver(t)
		erp.answers(always(410))
		hook, _ := subscribe(t, h, erp.url, "order.paid.v1")
		h.Consumes(t, adaRegistered, created, paid)
		eventually(t, h, func() bool { return states(t, h, hook)[0] == "rejected" }, "no attempt")
		admin := h.As("root", auth.Admin)
		seen := map[string]int{}
		last := "~"
		for path := "/deliveries?limit=2"; path != ""; {
			var page struct {
				Items      []struct{ ID, Channel string }
				NextCursor string `json:"next_cursor"`
			}
			admin.Get(t, path).Want(t, 200).JSON(t, &page)
			for _, d := range page.Items {
				seen[d.Channel]++
				require.Less(t, d.ID, last)
				last = d.ID
			}
			if path = ""; page.NextCursor != "" {
				path = "/deliveries?limit=2&cursor=" + page.NextCursor
			}
		}
		require.Equal(t, map[string]int{"email": 3, "webhook": 1}, seen)
		id := deliveryOf(t, h, "channel=webhook&order_id="+orderID+"&kind=order.paid.v1")
		admin.Get(t, "/deliveries/"+id).Want(t, 200, "webhook_id", hook, "state", "rejected", "log.0.phase", "post", "log.0.reply", "410")
		admin.Get(t, "/deliveries?channel=email&user_id="+ada).Want(t, 200, "items.2.channel", "email", "items.3", nil)

		erp.answers(nil)
		admin.Patch(t, "/webhooks/"+hook, map[string]any{"enabled": true}).Want(t, 200)
		admin.Post(t, "/deliveries/"+id+"/retry", nil).Want(t, 200, "state", "queued")
		admin.Post(t, "/deliveries/"+id+"/resolve", map[string]bool{"sent": true}).Problem(t, 409, "delivery_not_unknown")
		becomesHook := func(state string) {
			_, err := h.DB.Exec(t.Context(), "UPDATE webhook_deliveries SET state = $1, next_at = NULL", state)
			require.NoError(t, err)
		}
		becomesHook("expired")
		calls := erp.called()
		admin.Post(t, "/deliveries/retry", map[string]any{"state": "expired", "channel": "webhook"}).Want(t, 200, "retried", 1)
		eventually(t, h, func() bool { return erp.called() > calls }, "it is not sent again")
	})
}
