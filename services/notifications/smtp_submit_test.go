package notifications_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// runWithServer runs test with an SMTP server that it does not share with other tests
// at the same time.
func runWithServer(t *testing.T, test func(t *testing.T, h *servicetest.Harness, server *smtptest.Server), o ...servicetest.Option) {
	t.Helper()
	server := smtptest.Start(t, smtptest.Options{Password: "secret"})
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		server.Reserve(t)
		test(t, h, server)
	}, append([]servicetest.Option{
		servicetest.Setting("NOTIFICATIONS_SMTP_URL", "smtp://shop:secret@"+server.Addr), servicetest.Setting("NOTIFICATIONS_MAIL_FROM", "Tea & Mugs <hello@shop.test>"),
		servicetest.Setting("NOTIFICATIONS_DKIM", "false"),
	}, o...)...)
}

// otherShipped is about another order, so that its mail waits for none of created.
var otherShipped = events.OrderShipped{OrderID: "019b0000-0000-7000-8000-000000c0ffee", UserID: ada}

// state returns the id and the state of the only delivery of a kind.
func state(t *testing.T, h *servicetest.Harness, kind string) (id string, s string) {
	t.Helper()
	var page struct {
		Items []struct{ ID, Kind, State string }
	}
	h.As("admin", auth.Admin).Get(t, "/deliveries?limit=100").Want(t, 200).JSON(t, &page)
	for _, d := range page.Items {
		if d.Kind == kind {
			require.Empty(t, id, "two deliveries of %s", kind)
			id, s = d.ID, d.State
		}
	}
	require.NotEmpty(t, id, "no delivery of %s", kind)
	return id, s
}

func messageID(t *testing.T, m smtptest.Mail) string {
	t.Helper()
	_, after, found := strings.Cut(m.Data, "Message-ID: ")
	require.True(t, found, m.Data)
	id, _, _ := strings.Cut(after, "\r\n")
	return id
}

func TestABatchOfMailsUsesOneConnection(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.ConsumesBatch(t, adaRegistered, created, otherShipped)
		require.Len(t, server.Mails(), 3)
		require.Equal(t, 1, server.Connections())
		for _, m := range server.Mails() {
			require.Equal(t, "hello@shop.test", m.From)
			require.Equal(t, "ada@example.test", m.To)
			require.Equal(t, "shop", m.User)
			require.Contains(t, m.Data, `From: "Tea & Mugs" <hello@shop.test>`)
			require.Contains(t, messageID(t, m), "@shop.test>")
		}
		require.Len(t, sentKinds(t, h), 3)
		require.Equal(t, 404, h.Anonymous().Get(t, "/mailbox").Status)
		require.Equal(t, 404, h.Anonymous().Get(t, "/mailbox.json").Status)
	})
}

func TestATemporaryRefusalIsRetried(t *testing.T) {
	for _, phase := range []delivery.Phase{delivery.Mail, delivery.Rcpt, delivery.Dot} {
		t.Run(string(phase), func(t *testing.T) {
			runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
				server.Fail(smtptest.Fault{At: phase, Code: 451})
				h.Consumes(t, adaRegistered)
				h.PublishesNothing(t)
				id, s := state(t, h, "user.registered")
				require.Equal(t, "deferred", s)

				h.Advance(31 * time.Second)
				h.Publishes(t, events.NotificationSent{DeliveryID: id, UserID: ada, Kind: "user.registered", Channel: "email"})
				require.Len(t, server.Mails(), 1)
				h.As("admin", auth.Admin).Get(t, "/deliveries/"+id).Want(t, 200, "state", "sent", "attempts", 2,
					"log.0.n", 1, "log.0.state", "deferred", "log.0.phase", string(phase), "log.1.n", 2, "log.1.state", "sent")
			})
		})
	}
}

func TestARejectedMailDoesNotAffectOthers(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 550})
		h.ConsumesBatch(t, created, paid, shipped)
		require.Len(t, server.Mails(), 3)
		failed := servicetest.Published[events.NotificationFailed](t, h)
		require.Len(t, failed, 1)
		require.Contains(t, failed[0].Reason, "rejected: 550")

		h.Advance(48 * time.Hour)
		h.Settle(t)
		require.Len(t, server.Mails(), 3, "a rejection is final")

		admin := h.As("admin", auth.Admin)
		admin.Post(t, "/deliveries/"+failed[0].DeliveryID+"/retry", nil).Want(t, 200, "state", "queued")
		h.Settle(t)
		admin.Get(t, "/deliveries/"+failed[0].DeliveryID).Want(t, 200, "state", "sent", "reply", nil)
		require.Len(t, server.Mails(), 4)
	})
}

func TestALostReplyToTheDotIsRetriedWithTheSameMessageID(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		server.Fail(smtptest.Fault{At: delivery.Dot, Accepted: true})
		h.Consumes(t, adaRegistered)
		h.PublishesNothing(t)
		_, s := state(t, h, "user.registered")
		require.Equal(t, "unknown", s)

		h.Advance(31 * time.Second)
		h.Settle(t)
		require.Equal(t, []string{"user.registered"}, sentKinds(t, h))
		require.Len(t, server.Mails(), 2)
		require.Equal(t, server.Mails()[0], server.Mails()[1], "the recipient can recognize the duplicate")
	})
}

func TestMailsAreDeferredWhileTheServerIsUnavailable(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		server.Fail(smtptest.Fault{At: delivery.Connect, Code: 554}, smtptest.Fault{At: delivery.Connect, Code: 554})
		h.ConsumesBatch(t, created, otherShipped)
		require.Len(t, server.Mails(), 1)
		for _, kind := range []string{"order.created", "order.shipped"} {
			_, s := state(t, h, kind)
			require.Equal(t, "deferred", s)
		}
		h.Advance(31 * time.Second)
		h.Settle(t)
		require.Len(t, server.Mails(), 3)
		require.Empty(t, servicetest.Published[events.NotificationFailed](t, h))
	})
}

func TestAConnectionClosedBetweenMailsIsReopenedAtOnce(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		noFault := func() {}
		server.Fail(smtptest.Fault{At: delivery.Mail, Do: noFault}, smtptest.Fault{At: delivery.Mail, Code: 421}, smtptest.Fault{At: delivery.Mail, Do: noFault},
			smtptest.Fault{At: delivery.Mail})
		h.ConsumesBatch(t, adaRegistered, created, otherShipped)
		require.Len(t, server.Mails(), 3)
		require.Equal(t, 3, server.Connections())
	})
}

// See inbox.TestAnEventThatWasParkedByAClockThatWasAheadIsRetried.
func TestAClockThatWasAheadPutsNoMailOff(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		const year = 365 * 24 * time.Hour
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 452})
		h.Advance(year)
		h.Consumes(t, adaRegistered)
		h.Advance(-year)
		h.Step(t, "delete-mails")
		h.Settle(t)
		require.Len(t, server.Mails(), 1)
	})
}

func TestAMailNotAcceptedForADayExpires(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		for range 100 {
			server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 452})
		}
		h.Consumes(t, adaRegistered)
		for range 30 {
			h.Advance(time.Hour + time.Minute)
			h.Settle(t)
		}
		id, s := state(t, h, "user.registered")
		require.Equal(t, "expired", s)
		failed := servicetest.Published[events.NotificationFailed](t, h)
		require.Len(t, failed, 1)
		require.Contains(t, failed[0].Reason, "expired: 452")
		require.Empty(t, server.Mails())

		server.ClearFaults()
		h.As("admin", auth.Admin).Post(t, "/deliveries/"+id+"/retry", nil).Want(t, 200, "state", "queued")
		require.Equal(t, []string{"admin retry_delivery ok " + id}, h.Audited(t))
		h.Settle(t)
		require.Len(t, server.Mails(), 1)
	})
}

// crashSender changes the database as if the sender of a kind's mail had crashed in a
// phase and its lease had ended.
func crashSender(t *testing.T, h *servicetest.Harness, kind, phase string) {
	t.Helper()
	n, err := h.DB.Exec(t.Context(), `UPDATE deliveries SET state = 'sending', lease = 'crashed', phase = $2, attempts = 1, next_at = created_at
		WHERE kind = $1`, kind, phase)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func TestAfterACrashBeforeTheDotTheMailIsSentAtOnce(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 451})
		h.Consumes(t, adaRegistered)
		crashSender(t, h, "user.registered", "")
		h.Settle(t)
		require.Len(t, server.Mails(), 1)
	})
}

func TestAfterACrashAtTheDotTheOutcomeIsUnknown(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 451})
		h.Consumes(t, adaRegistered)
		crashSender(t, h, "user.registered", "dot")
		h.Settle(t)
		id, s := state(t, h, "user.registered")
		require.Equal(t, "unknown", s)
		require.Empty(t, server.Mails())
		h.Advance(31 * time.Second)
		h.Settle(t)
		require.Len(t, server.Mails(), 1)
		h.As("admin", auth.Admin).Get(t, "/deliveries/"+id).Want(t, 200, "state", "sent", "attempts", 2)
	})
}

func TestASenderThatLostItsLeaseDoesNotSend(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Do: func() {
			_, err := h.DB.Exec(t.Context(), "UPDATE deliveries SET lease = 'another'")
			require.NoError(t, err)
		}})
		h.Consumes(t, adaRegistered)
		require.Empty(t, server.Mails())
		_, s := state(t, h, "user.registered")
		require.Equal(t, "sending", s, "the other sender records the outcome")
		h.PublishesNothing(t)
	})
}

func TestALongQueueIsSentInSeveralBatches(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		payloads := []event.Payload{adaRegistered}
		for i := range 120 {
			payloads = append(payloads, events.OrderShipped{OrderID: fmt.Sprint("order ", i), UserID: ada})
		}
		h.ConsumesBatch(t, payloads...)
		require.Len(t, server.Mails(), 121)
		require.Equal(t, 6, server.Connections(), "the first mail is handled before the others")
		ids := map[string]bool{}
		for _, m := range server.Mails() {
			ids[messageID(t, m)] = true
		}
		require.Len(t, ids, 121)
	})
}
