package notifications_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// objecting returns faults by which a server objects to every mail in a phase.
func objecting(phase delivery.Phase, reply string) func(delivery.Phase, smtptest.Mail) (smtptest.Fault, bool) {
	return func(at delivery.Phase, _ smtptest.Mail) (smtptest.Fault, bool) {
		return smtptest.Fault{At: phase, Reply: reply}, at == phase
	}
}

// A mail server objects to the shop: to its HELO name, its sender, its address, its quota.
// No customer is at fault, so every mail waits, and is sent once the cause is removed.
func TestNoMailEndsBecauseTheServerObjectsToTheShop(t *testing.T) {
	for _, c := range []struct {
		phase delivery.Phase
		reply string
		about string
	}{
		{delivery.Rcpt, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "helo"},
		{delivery.Connect, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "helo"},
		{delivery.Mail, "553 5.7.1 <hello@shop.test>: Sender address rejected: not owned by user shop", "sender"},
		{delivery.Dot, "554 5.2.252 SendAsDenied; shop@example.com not allowed to send as hello@shop.test", "sender"},
		{delivery.Rcpt, "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.example", "policy"},
		{delivery.Rcpt, "554 5.7.1 <ada@example.test>: Relay access denied", "relay"},
		{delivery.Mail, "550 5.4.5 Daily user sending limit exceeded", "limit"},
		{delivery.Mail, "550 5.7.0 Hourly quota exceeded", "limit"},
		{delivery.Mail, "554 5.7.1 Too many messages, try again later", "limit"},
	} {
		t.Run(string(c.phase)+" "+c.reply, func(t *testing.T) {
			runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
				server.FailAlways(objecting(c.phase, c.reply))
				h.Consumes(t, adaRegistered)
				h.PublishesNothing(t)
				id, s := state(t, h, "user.registered")
				require.Equal(t, "deferred", s)
				show := func() *servicetest.Response { return h.As("admin", auth.Admin).Get(t, "/deliveries/"+id) }
				show().Want(t, 200, "about", c.about, "log.0.phase", string(c.phase))

				for range 48 { // for two days
					h.Advance(time.Hour)
					h.Settle(t)
				}
				show().Want(t, 200, "state", "deferred")
				server.FailAlways(nil)
				h.Advance(time.Hour)
				h.Settle(t)
				show().Want(t, 200, "state", "sent", "about", nil)
				require.Len(t, server.Mails(), 1)
			})
		})
	}
}

func TestTheQueuePausesAndIsRetriedAsAWhole(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		require.Len(t, server.Mails(), 1)
		var asked atomic.Int32
		server.FailAlways(func(at delivery.Phase, _ smtptest.Mail) (smtptest.Fault, bool) {
			if at == delivery.Rcpt {
				asked.Add(1)
			}
			return smtptest.Fault{Reply: "554 5.7.1 Relay access denied"}, at == delivery.Rcpt
		})
		for n := range 40 {
			h.Consumes(t, events.OrderShipped{OrderID: fmt.Sprint("order ", n), UserID: ada})
		}
		require.EqualValues(t, 5, asked.Load(), "the others wait without an attempt")
		metrics := string(h.Anonymous().Get(t, "/metrics").Body)
		require.Contains(t, metrics, `troupe_notifications_server_paused{server="`+server.Addr+`"} 1`)
		require.Contains(t, metrics, `troupe_notifications_refusals_total{about="relay",server="`+server.Addr+`"} 5`)

		h.Advance(40 * time.Second)
		h.Settle(t)
		require.EqualValues(t, 6, asked.Load(), "one mail is tried")
		h.Settle(t)
		require.EqualValues(t, 6, asked.Load())

		server.FailAlways(nil)
		h.Advance(80 * time.Second)
		h.Settle(t)
		require.Len(t, server.Mails(), 41, "all are sent as soon as one is accepted")
		require.Contains(t, string(h.Anonymous().Get(t, "/metrics").Body), `troupe_notifications_server_paused{server="`+server.Addr+`"} 0`)
	})
}

func TestAMailThatIsHeldForLongExpires(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		server.FailAlways(objecting(delivery.Mail, "550 5.7.0 Hourly quota exceeded"))
		h.Consumes(t, adaRegistered)
		for range 6 * 24 {
			h.Advance(time.Hour)
			h.Settle(t)
		}
		_, s := state(t, h, "user.registered")
		require.Equal(t, "expired", s)
	})
}

// order returns the subjects of the mails that the server accepted, in their order.
func order(server *smtptest.Server) (subjects []string) {
	for _, m := range server.Mails() {
		_, after, _ := strings.Cut(m.Data, "Subject: ")
		subject, _, _ := strings.Cut(after, "\r\n")
		subjects = append(subjects, subject)
	}
	return subjects
}

// The mail server is away while twelve orders are placed and declined, and returns.
func TestACustomerIsNotSentWhatIsNoLongerTrue(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		server.FailAlways(objecting(delivery.Connect, "421 4.3.2 away"))
		for n := range 12 {
			o, c := created, cancelled
			o.OrderID, c.OrderID = fmt.Sprint("order ", n), fmt.Sprint("order ", n)
			h.Consumes(t, o)
			h.Consumes(t, c)
		}
		h.Advance(30 * time.Minute)
		h.Settle(t)
		server.FailAlways(nil)
		h.Advance(time.Hour)
		h.Settle(t)
		require.Len(t, server.Mails(), 1+12)
		for _, subject := range order(server)[1:] {
			require.Contains(t, subject, "was cancelled")
		}
		failed := servicetest.Published[events.NotificationFailed](t, h)
		require.Len(t, failed, 12)
		require.Equal(t, "superseded: the order has gone on: order.cancelled", failed[0].Reason)
	})
}

func TestTheNextMailOfAnOrderWaitsForTheOneBefore(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 451})
		h.Consumes(t, shipped)
		h.Consumes(t, refunded, events.OrderShipped{OrderID: "another", UserID: ada})
		require.Equal(t, []string{"Welcome to Tea & Mugs", "Your order ANOTHER has been shipped"}, order(server))

		h.Advance(31 * time.Second)
		h.Settle(t)
		require.Equal(t, []string{"Your order DEADBEEF has been shipped", "Refund of 4.50 EUR for your order DEADBEEF"}, order(server)[2:])
	})
}

func TestAnEarlierMailThatEndedHoldsNothing(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 550})
		h.Consumes(t, created, paid)
		require.Equal(t, []string{"Welcome to Tea & Mugs", "Your order DEADBEEF has been paid (30.48 EUR)"}, order(server))
	})
}
