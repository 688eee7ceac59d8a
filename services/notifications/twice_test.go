package notifications_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/store"
	"troupe/test/pushservice"
)

// notified are events of all kinds about which customers are notified under the key of the
// event.
func notified() []event.Payload {
	payloads := []event.Payload{
		created, paid, cancelled, shipped, delivered, declined, refunded,
		events.UserPasswordChanged{UserID: ada},
		events.UserSignedInOnNewDevice{UserID: ada},
	}
	rand.Shuffle(len(payloads), func(i, j int) { payloads[i], payloads[j] = payloads[j], payloads[i] })
	return payloads
}

// Every batch is delivered twice, the second time in reverse, before anything is sent, and
// once more after the customer has chosen differently.
func TestEventsThatAreDeliveredAgainChangeNothing(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		h.Consumes(t, adaRegistered)
		var types []string
		for _, p := range notified() {
			types = append(types, p.EventType())
		}
		subscribe(t, h, "http://127.0.0.1:9/", types...)
		chooses(t, h, ada, object{"categories": object{"shipping": choice(true, true, false, "hourly")}})
		h.ConsumesBatch(t, notified()...)
		h.Advance(2 * time.Hour)
		h.Settle(t)
		count := func() (n [5]int) {
			for i, table := range []string{"mails", "notices", "deliveries", "held_notices", "webhook_deliveries"} {
				n[i] = countRows(t, h.DB, "SELECT COUNT(*) FROM "+table)
			}
			return n
		}
		before, pushes := count(), len(b.Received())
		require.Equal(t, [5]int{8, 5, 16, 3, 9}, before) // of 9 events, and the registration

		chooses(t, h, ada, object{"categories": object{"shipping": choice(true, true, true, "off"), "orders": choice(true, true, true, "off")}})
		subscribed(t, h, p, ada)
		h.Redelivers(t)
		h.Advance(2 * time.Hour)
		h.Redelivers(t)
		require.Equal(t, before, count())
		require.Len(t, b.Received(), pushes)
		require.Equal(t, 1, countRows(t, h.DB, "SELECT COUNT(*) FROM inbox"), "only the registration has a row")
	}, servicetest.Twice())
}

// A customer who wants a kind of notice from now on gets none about what was handled before.
func TestAnEventWithoutANoticeStaysWithoutOneWhenItIsDeliveredAgain(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		subscribe(t, h, "http://127.0.0.1:9/", "order.shipped.v1")
		chooses(t, h, ada, object{"categories": object{"shipping": choice(false, false, false, "off")}})
		h.Consumes(t, shipped)
		rows := func(table string) int { return countRows(t, h.DB, "SELECT COUNT(*) FROM "+table) }
		require.Zero(t, rows("notices"))
		require.Equal(t, 1, rows("silent_events"))
		require.Equal(t, 1, rows("webhook_deliveries"))

		chooses(t, h, ada, object{"categories": object{"shipping": choice(true, true, true, "off")}})
		h.Redelivers(t)
		require.Zero(t, rows("notices"))
		require.Equal(t, 1, rows("webhook_deliveries"), "webhooks get it once")
		require.Len(t, mails(t, h, "ada@example.test"), 1, "the registration")

		h.Advance(400 * 24 * time.Hour)
		h.Settle(t)
		require.Zero(t, rows("silent_events"))
	})
}

// Two replicas get the same events at the same moment.
func TestReplicasThatGetTheSameEventsNotifyOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		replicas := []*app.Instance{replica(t, db, ""), replica(t, db, "")}
		consume(t, replicas[0], adaRegistered)
		require.NoError(t, settle(t.Context(), replicas[0]))
		for range 10 {
			payloads := shipments(20)
			batch := deliveries(t, payloads...)
			var both errgroup.Group
			for _, r := range replicas {
				both.Go(func() error { return r.Inbox.Consume(t.Context(), batch) })
			}
			require.NoError(t, both.Wait())
			for _, r := range replicas {
				both.Go(func() error { return settle(context.WithoutCancel(t.Context()), r) })
			}
			require.NoError(t, both.Wait())
		}
		require.Equal(t, 201, countRows(t, db, "SELECT COUNT(*) FROM mails"))
		require.Equal(t, 201, countRows(t, db, "SELECT COUNT(*) FROM deliveries WHERE state = 'sent'"))
		require.Equal(t, 200, countRows(t, db, "SELECT COUNT(*) FROM notices"))
		require.Zero(t, countRows(t, db, "SELECT COUNT(*) FROM parked"))
		require.Zero(t, countRows(t, db, "SELECT COUNT(*) FROM delivery_leases"))
	}, app.Migrations(notifications.Service)...)
}

// One replica has handled an event and not committed yet, when another one gets it; the
// customer's choice has changed in between.
func TestAnEventThatAnotherReplicaHandlesIsLeftToIt(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := replica(t, db, "")
		consume(t, r, adaRegistered)
		batch := deliveries(t, shipped)
		handled := make(chan bool)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			err := store.AddInboxEntries(ctx, tx, []store.InboxEntry{{EventID: batch[0].ID, UserID: ada}})
			go func() {
				defer close(handled)
				_ = r.Inbox.Consume(t.Context(), batch) // an error leaves what the test looks for
			}()
			for tx.ForUpdate() != "" && !waits(t, db) { // SQLite has one writer
				select {
				case <-handled:
					return err
				default:
				}
			}
			return err
		}))
		<-handled
		require.Equal(t, 1, countRows(t, db, "SELECT COUNT(*) FROM deliveries"), "that about the registration")
		require.Equal(t, 1, countRows(t, db, "SELECT COUNT(*) FROM notices"))
		require.Zero(t, countRows(t, db, "SELECT COUNT(*) FROM parked"))
	}, app.Migrations(notifications.Service)...)
}
