package notifications_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp/smtptest"
)

func shipments(n int) []event.Payload {
	payloads := make([]event.Payload, n)
	for i := range payloads {
		payloads[i] = events.OrderShipped{OrderID: newID(), UserID: ada}
	}
	return payloads
}

// countRows returns how many rows a query with COUNT counts.
func countRows(t *testing.T, db sqldb.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), query).Scan(&n))
	return n
}

func TestTheMailsOfAReplicaThatStopsAreSentByAnother(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		server.Reserve(t)
		first, second := replica(t, db, "smtp://"+server.Addr), replica(t, db, "smtp://"+server.Addr)
		consume(t, first, adaRegistered)
		consume(t, first, shipments(30)...)
		require.NoError(t, sendAll(t.Context(), second))
		require.Empty(t, server.Mails(), "the first replica has leased them")

		for _, statement := range []string{"UPDATE delivery_leases SET ends_at = 1", "UPDATE deliveries SET next_at = 1 WHERE next_at > 1"} { // as if time had passed
			_, err := db.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
		require.NoError(t, settle(t.Context(), second))
		require.NoError(t, sendAll(t.Context(), second))
		require.Len(t, server.Mails(), 31)
		require.Zero(t, countRows(t, db, "SELECT COUNT(*) FROM delivery_leases"))

		require.NoError(t, sendAll(t.Context(), first)) // it was only slow
		require.Len(t, server.Mails(), 31, "the first replica holds no lease any more")
		require.Equal(t, 31, countRows(t, db, "SELECT COUNT(*) FROM deliveries WHERE state = 'sent' AND next_at IS NULL"))
	}, app.Migrations(notifications.Service)...)
}

func TestAReplicaThatShutsDownLeavesItsMailsToOthersAtOnce(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		server.Reserve(t)
		first, second := replica(t, db, "smtp://"+server.Addr), replica(t, db, "smtp://"+server.Addr)
		consume(t, first, adaRegistered)
		consume(t, first, shipments(30)...)
		require.NoError(t, first.Components.Drain(t.Context()))
		require.NoError(t, sendAll(t.Context(), second))
		require.Len(t, server.Mails(), 31)
	}, app.Migrations(notifications.Service)...)
}

// A process that crashes at the final dot leaves a mail of which it is unknown whether it
// was sent. Another replica does not send it before the reply must have come.
func TestALeaseThatEndsAtTheDotLeavesTheOutcomeUnknown(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		_, err := h.DB.Exec(t.Context(), "UPDATE deliveries SET state = 'sending', lease = 'dead', phase = 'dot', next_at = NULL")
		require.NoError(t, err)
		id, _ := state(t, h, "user.registered")
		_, err = h.DB.Exec(t.Context(), "INSERT INTO delivery_leases (id, lease, deliveries, ends_at) VALUES ('1', 'dead', $1, $2)",
			`["`+id+`"]`, sqldb.Micros(h.Now().Add(time.Minute)))
		require.NoError(t, err)
		h.Advance(time.Minute)
		h.Settle(t)
		_, s := state(t, h, "user.registered")
		require.Equal(t, "sending", s)
		h.Advance(10 * time.Minute)
		h.Settle(t)
		_, s = state(t, h, "user.registered")
		require.Equal(t, "unknown", s)
		require.Len(t, server.Mails(), 1)
	})
}

// Both mails are in one batch, and the server refuses the first one for now.
func TestAMailIsNotHandedOverPastAnEarlierOneOfItsOrder(t *testing.T) {
	runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		server.Fail(smtptest.Fault{At: delivery.Rcpt, Code: 451})
		h.ConsumesBatch(t, events.OrderShipped{OrderID: orderID, UserID: ada},
			events.PaymentRefunded{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: total})
		require.Len(t, server.Mails(), 1, "that of the registration")
		h.Advance(time.Hour)
		h.Settle(t)
		subjects := order(server)
		require.Len(t, subjects, 3)
		require.Contains(t, subjects[1], "has been shipped")
	})
}

func TestAUserWhoIsDeletedGetsNoMailThatWasHandedOver(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		instance := replica(t, db, "")
		consume(t, instance, adaRegistered)
		consume(t, instance, shipments(3)...)
		consume(t, instance, events.UserDeleted{UserID: ada, Version: 2})
		require.Equal(t, 4, countRows(t, db, "SELECT COUNT(*) FROM deliveries WHERE state = 'suppressed'"))
		require.NoError(t, sendAll(t.Context(), instance))
		require.Zero(t, countRows(t, db, "SELECT COUNT(*) FROM mails"))
		require.Equal(t, 4, countRows(t, db, "SELECT COUNT(*) FROM deliveries WHERE state = 'suppressed'"))
	}, app.Migrations(notifications.Service)...)
}

// The senders are busy until the lease of the mails has ended. They were never tried, so
// they still count toward what an address gets in an hour.
func TestMailsThatWaitedTooLongForASenderAreStillCounted(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		now := time.Now()
		instance, err := app.NewInstance(notifications.Service, app.Dependencies{
			Environ: map[string]string{"NOTIFICATIONS_DKIM": "false", "NOTIFICATIONS_MAILS_PER_HOUR": "5"}, DB: db, Publisher: sink{},
			Peers: map[string]string{}, Transport: http.DefaultTransport, Now: func() time.Time { return now }, NewID: newID, Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		var placed []event.Payload
		for range 20 {
			placed = append(placed, events.OrderCreated{OrderID: newID(), UserID: ada, Total: total})
		}
		consume(t, instance, adaRegistered)
		consume(t, instance, placed...)
		now = now.Add(2 * time.Minute)
		require.NoError(t, settle(t.Context(), instance))
		require.NoError(t, settle(t.Context(), instance))
		require.Equal(t, 5, countRows(t, db, "SELECT COUNT(*) FROM mails"))
		require.Equal(t, 21, countRows(t, db, "SELECT COUNT(*) FROM deliveries WHERE state IN ('sent', 'suppressed') AND attempts = 1"))
		require.Zero(t, countRows(t, db, "SELECT COUNT(*) FROM delivery_leases"))
	}, app.Migrations(notifications.Service)...)
}
