package notifications_test

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp/smtptest"
)

func TestReplicasSendEachMailOnce(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		server.Reserve(t)
		replicas := []*app.Instance{replica(t, db, "smtp://"+server.Addr), replica(t, db, "smtp://"+server.Addr), replica(t, db, "smtp://"+server.Addr)}
		payloads := []event.Payload{adaRegistered}
		for range 200 {
			payloads = append(payloads, events.OrderShipped{OrderID: newID(), UserID: ada})
		}
		consume(t, replicas[0], payloads...)

		var all errgroup.Group
		for _, r := range replicas {
			all.Go(func() error { return settle(t.Context(), r) })
		}
		require.NoError(t, all.Wait())

		sent := map[string]int{}
		for _, m := range server.Mails() {
			sent[messageID(t, m)]++
		}
		require.Len(t, sent, 201)
		require.Len(t, server.Mails(), 201, "a mail was sent twice")
	}, app.Migrations(notifications.Service)...)
}

// Three replicas send side by side, and the server puts off every third mail at random.
func TestReplicasKeepTheOrderOfTheMailsAboutAnOrder(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		server.Reserve(t)
		replicas := []*app.Instance{replica(t, db, "smtp://"+server.Addr), replica(t, db, "smtp://"+server.Addr), replica(t, db, "smtp://"+server.Addr)}
		consume(t, replicas[0], adaRegistered)
		const orders = 40
		var shipments, refunds []event.Payload
		for range orders {
			id := newID()
			shipments = append(shipments, events.OrderShipped{OrderID: id, UserID: ada})
			refunds = append(refunds, events.PaymentRefunded{OrderID: id, UserID: ada, PaymentID: "p", Amount: total})
		}
		consume(t, replicas[0], shipments...)
		consume(t, replicas[1], refunds...)
		server.FailAlways(func(phase delivery.Phase, _ smtptest.Mail) (smtptest.Fault, bool) {
			return smtptest.Fault{Code: 451}, phase == delivery.Rcpt && rand.IntN(3) == 0
		})
		for len(server.Mails()) < 1+2*orders {
			var all errgroup.Group
			for _, r := range replicas {
				all.Go(func() error { return sendAll(t.Context(), r) })
			}
			require.NoError(t, all.Wait())
			_, err := db.Exec(t.Context(), "UPDATE deliveries SET next_at = 1 WHERE next_at > 1") // as if time had passed
			require.NoError(t, err)
		}
		first := map[string]string{} // the first subject about each order
		for _, subject := range order(server) {
			number := regexp.MustCompile(`order ([0-9A-F]{8})`).FindString(subject)
			if first[number] == "" {
				first[number] = subject
			}
		}
		require.Len(t, first, 1+orders)
		delete(first, "")
		for _, subject := range first {
			require.Contains(t, subject, "has been shipped")
		}
	}, app.Migrations(notifications.Service)...)
}
