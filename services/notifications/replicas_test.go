package notifications_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
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
