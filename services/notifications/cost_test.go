package notifications_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
)

// rowsWritten are the row writes of some tables, as PostgreSQL counts them.
type rowsWritten struct{ inserted, updated, hot, deleted int }

func writes(t *testing.T, db sqldb.DB) (w rowsWritten) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), `SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_hot_upd), sum(n_tup_del) FROM pg_stat_user_tables
		WHERE schemaname = current_schema() AND relname NOT LIKE 'audit%' AND relname NOT LIKE 'goose%'`).Scan(&w.inserted, &w.updated, &w.hot, &w.deleted))
	return w
}

// An order is placed and paid, and its customer gets two mails. That is 11 row writes and a
// little for each batch: the copy of the order, two entries and their two positions, two
// deliveries and their two outcomes, and two mails. No outcome changes an index.
func TestAnOrderWritesElevenRows(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		instance := replica(t, db, "")
		const batches, size = 10, 50
		for range batches {
			var customers, placed, paid []event.Payload
			for range size {
				order := created
				order.OrderID, order.UserID = newID(), newID()
				customers = append(customers, registered(order.UserID, "Ada", "ada@example.test", "en"))
				placed = append(placed, order)
				paid = append(paid, events.OrderPaid{OrderID: order.OrderID, UserID: order.UserID, Amount: order.Total})
			}
			consume(t, instance, customers...)
			require.NoError(t, sendAll(t.Context(), instance))
			consume(t, instance, placed...)
			require.NoError(t, sendAll(t.Context(), instance))
			consume(t, instance, paid...)
			require.NoError(t, sendAll(t.Context(), instance))
		}
		const orders = batches * size
		require.Equal(t, 3*orders, countRows(t, db, "SELECT COUNT(*) FROM mails"))
		if db.QueryRow(t.Context(), "SELECT 1 FROM pg_stat_user_tables LIMIT 1").Scan(new(int)) != nil {
			t.Skip("SQLite does not count what is written: set TEST_DATABASE_URL")
		}
		const ofRegistration = 5 // inbox, recipient, delivery, outcome, mail
		var w rowsWritten
		require.Eventually(t, func() bool { // sessions report what they have written with a delay
			w = writes(t, db)
			return w.inserted >= orders*(8+4)
		}, time.Minute, 100*time.Millisecond)
		all := float64(w.inserted+w.updated+w.deleted) / orders
		require.InDelta(t, 11, all-ofRegistration, 0.3)
		// The outcome of a single mail, as after a registration, changes an index. Of the others some
		// find no room in their page while other tests keep old rows alive.
		require.Greater(t, w.hot, (w.updated-orders)/2, "the outcome of a mail about an order changes an index")
	}, app.Migrations(notifications.Service)...)
}
