package notifications_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/smtp/smtptest"
	"troupe/test/pushservice"
)

// ordersOf returns the events about n orders of a user that are not paid.
func ordersOf(user string, n int) (payloads []event.Payload) {
	for i := range n {
		id := fmt.Sprintf("019b0000-0000-7000-8000-%s%08d", user[len(user)-4:], i)
		payloads = append(payloads,
			events.OrderCreated{OrderID: id, UserID: user, Total: total},
			events.OrderCancelled{OrderID: id, UserID: user, Total: total, Reason: "payment_declined"})
	}
	return payloads
}

func TestAStrangerCannotFloodAnAddress(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, registered(ada, "Ada", "victim@example.test", "en"))
		h.ConsumesBatch(t, ordersOf(ada, 20)...)
		h.Settle(t)
		require.Len(t, mails(t, h, "victim@example.test"), 5, "of 41")
		require.Len(t, inboxOf(t, h, ada), 40, "the inbox has them all")
		failed := servicetest.Published[events.NotificationFailed](t, h)
		require.Len(t, failed, 36)
		require.Equal(t, "suppressed: more than 5 mails to this address in an hour", failed[0].Reason)

		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 9}, registered(eve, "Eve", "Victim@example.test", "en"))
		require.Empty(t, mails(t, h, "victim@example.test"), "another account with the address has the same count")
		h.Consumes(t, events.OrderPaid{OrderID: orderID, UserID: eve, Amount: total})
		require.Len(t, mails(t, h, "victim@example.test"), 1, "a payment is never left out")

		h.Advance(time.Hour)
		h.ConsumesBatch(t, ordersOf(eve, 1)...)
		h.Settle(t)
		require.Len(t, mails(t, h, "victim@example.test"), 3)
	}, servicetest.Setting("NOTIFICATIONS_MAILS_PER_HOUR", "5"))
}

// While a server's rate is used up, mails are claimed and released again and again. Only
// one that is tried counts.
func TestAMailThatWaitsForItsServerCountsOnce(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		const customers = 20
		var all []event.Payload
		for i := range customers {
			id := fmt.Sprintf("019b0000-0000-7000-8000-%012d", i)
			all = append(all, registered(id, "Ada", fmt.Sprintf("ada%d@example.test", i), "en"))
		}
		h.ConsumesBatch(t, all...)
		for range 2 * customers {
			h.Advance(time.Second)
			h.Settle(t)
		}
		require.Len(t, server.Mails(), customers)
	}, servicetest.Setting("NOTIFICATIONS_MAILS_PER_HOUR", "3"), servicetest.Setting("NOTIFICATIONS_SMTP_RATE", "1"))
}

func TestOrdersThatAreNotPaidFloodNoBrowser(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		first, second := subscribed(t, h, p, ada), subscribed(t, h, p, ada)
		h.Consumes(t, adaRegistered)
		h.ConsumesBatch(t, ordersOf(ada, 10)...)
		h.Settle(t)
		require.Len(t, inboxOf(t, h, ada), 20, "the inbox has them all")
		for _, b := range []*pushservice.Browser{first, second} {
			require.Len(t, b.Received(), 5)
		}
		h.Consumes(t, events.OrderPaid{OrderID: orderID, UserID: ada, Amount: total})
		require.Len(t, first.Received(), 6, "a payment is never left out")
		h.Advance(time.Hour)
		h.ConsumesBatch(t, ordersOf(ada, 1)...)
		h.Settle(t)
		require.Greater(t, len(first.Received()), 6)
	}, servicetest.Setting("NOTIFICATIONS_PUSHES_PER_HOUR", "5"))
}
