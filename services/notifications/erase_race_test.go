package notifications_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

// waits reports whether a transaction waits for another one.
func waits(t *testing.T, db sqldb.DB) bool {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n))
	return n > 0
}

// One replica deletes a customer while another one handles an event about an order.
func TestAnEventDuringADeletionLeavesNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := replica(t, db, "")
		consume(t, r, adaRegistered)
		handled := make(chan bool)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			if _, err := store.EraseUser(ctx, tx, ada, 2, time.Now()); err != nil {
				return err
			}
			go func() {
				defer close(handled)
				consume(t, r, created)
			}()
			for tx.ForUpdate() != "" && !waits(t, db) { // SQLite has one writer
				select {
				case <-handled:
					return nil
				default:
				}
			}
			return nil
		}))
		<-handled
		for _, table := range []string{"notices", "orders", "inbox_positions"} {
			var n int
			require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE user_id = $1", ada).Scan(&n))
			require.Zero(t, n, table)
		}
	}, app.Migrations(notifications.Service)...)
}

// A sender stores a mail and the reply to it while the account is deleted.
func TestAnOutcomeDuringADeletionLeavesNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := replica(t, db, "")
		consume(t, r, adaRegistered)
		var id, lease string
		require.NoError(t, db.QueryRow(t.Context(), "SELECT id, lease FROM deliveries").Scan(&id, &lease))
		erased := make(chan bool)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			rejected := store.Delivery{ID: id, State: delivery.Rejected, Reply: "550 ada@example.test is unknown"}
			if _, err := store.Settle(ctx, tx, lease, []store.Delivery{rejected}, time.Now()); err != nil {
				return err
			}
			if err := store.AddMails(ctx, tx, []store.Mail{{DeliveryID: id, UserID: ada, Address: "ada@example.test", SentAt: time.Now()}}); err != nil {
				return err
			}
			go func() {
				defer close(erased)
				consume(t, r, events.UserDeleted{UserID: ada, Version: 2})
			}()
			for tx.ForUpdate() != "" && !waits(t, db) { // SQLite has one writer
				select {
				case <-erased:
					return nil
				default:
				}
			}
			return nil
		}))
		<-erased
		require.Empty(t, mentioning(t, db, "ada@example.test"))
	}, app.Migrations(notifications.Service)...)
}
