package payments

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

// eachPair runs test with two replicas on each database.
func eachPair(t *testing.T, test func(t *testing.T, w *shared, one, other replica)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		w := &shared{db: db}
		test(t, w, w.replica(t), w.replica(t))
	}, app.Migrations(Service)...)
}

// orders are the events order.created of n orders.
func orders(t *testing.T, n int) (deliveries []bus.Delivery) {
	t.Helper()
	for i := range n {
		deliveries = append(deliveries, delivery(t, events.OrderCreated{
			OrderID: fmt.Sprint("o", i), UserID: "u", Total: events.Money{Amount: 700, Currency: "EUR"}, PaymentMethod: "pm_card_visa",
		}))
	}
	return deliveries
}

// requireAuthorized requires that the money of n orders is authorized once, by that many
// calls for each.
func requireAuthorized(t *testing.T, r replica, n, attempts int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprint("o", i)
		found, err := store.OfOrders(t.Context(), r.DB, []string{id})
		require.NoError(t, err)
		require.Equal(t, payment.Authorized, found[id].State)
		require.Equal(t, attempts, found[id].Operations[0].Attempts)
		balances, err := r.provider.Balances(t.Context(), []string{found[id].ID})
		require.NoError(t, err)
		require.Equal(t, provider.Balance{Held: 700}, balances[found[id].ID])
	}
	require.Zero(t, count(t, r.DB, "payment_leases"))
}

func count(t *testing.T, db sqldb.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func requireStep(t *testing.T, r replica, dispatched, recorded int) {
	t.Helper()
	d, n := r.step(t)
	require.Equal(t, [2]int{dispatched, recorded}, [2]int{d, n})
}

func TestAnOrderWritesAPaymentFourTimes(t *testing.T) {
	eachPair(t, func(t *testing.T, _ *shared, r, _ replica) {
		created := orders(t, 1)
		confirmed := []bus.Delivery{delivery(t, events.OrderConfirmed{OrderID: "o0", UserID: "u"})}
		for _, batch := range [][]bus.Delivery{created, confirmed} {
			require.NoError(t, r.inbox.Consume(t.Context(), batch))
			require.Equal(t, 1, count(t, r.DB, "payment_leases WHERE ends_at > 0"))
			require.Zero(t, count(t, r.DB, "payments WHERE due_at IS NOT NULL"), "no index changes")
			requireStep(t, r, 1, 1)
			require.NoError(t, r.inbox.Consume(t.Context(), created))
			requireStep(t, r, 0, 0)
		}
		require.NoError(t, r.inbox.Consume(t.Context(), confirmed))
		p, err := store.OfOrders(t.Context(), r.DB, []string{"o0"})
		require.NoError(t, err)
		require.Equal(t, payment.Captured, p["o0"].State)
		require.EqualValues(t, 4, p["o0"].Version, "created, authorized, confirmed, captured")
		require.Zero(t, count(t, r.DB, "payment_leases"))
		require.Zero(t, count(t, r.DB, "inbox"))
	})
}

// The one replica dies after the commit and before its calls.
func TestTheCallsOfADeadReplicaAreMadeByAnother(t *testing.T) {
	eachPair(t, func(t *testing.T, w *shared, dead, other replica) {
		const n = leaseSize + 10
		require.NoError(t, dead.inbox.Consume(t.Context(), orders(t, n)))
		require.Equal(t, 2, count(t, w.db, "payment_leases"))
		w.passed.Add(int64(lease - time.Microsecond))
		requireStep(t, other, 0, 0)
		w.passed.Add(int64(time.Microsecond))
		requireStep(t, other, n, n) // it asks
		requireStep(t, other, n, n) // it calls
		requireAuthorized(t, other, n, 3)
	})
}

// The one replica stands still between the commit and its calls.
func TestAReplicaThatWakesAfterItsLeaseMakesNoCall(t *testing.T) {
	eachPair(t, func(t *testing.T, w *shared, sleepy, other replica) {
		require.NoError(t, sleepy.inbox.Consume(t.Context(), orders(t, 2)))
		w.passed.Add(int64(lease))
		requireStep(t, other, 2, 2)
		requireStep(t, sleepy, 2, 2) // the provider did not know them: they are due
		requireStep(t, other, 0, 0)
		requireAuthorized(t, other, 2, 3)
		require.Equal(t, maxInFlight, sleepy.calls.free())
		require.Empty(t, sleepy.calls.open)
	})
}

// A late outcome of the one replica does not count after the other has claimed the operation.
func TestALateOutcomeIsIgnored(t *testing.T) {
	eachPair(t, func(t *testing.T, w *shared, slow, other replica) {
		require.NoError(t, slow.inbox.Consume(t.Context(), orders(t, 1)))
		_, err := slow.dispatch(t.Context())
		require.NoError(t, err)
		w.passed.Add(int64(lease))
		_, err = other.dispatch(t.Context())
		require.NoError(t, err)
		_, err = slow.record(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, count(t, w.db, "payments WHERE state = 'pending'"))
		_, err = other.record(t.Context())
		require.NoError(t, err)
		requireAuthorized(t, other, 1, 2)
	})
}

func TestAStopHandsBackTheCallsThatWereNotMade(t *testing.T) {
	eachPair(t, func(t *testing.T, w *shared, stopped, other replica) {
		require.NoError(t, stopped.inbox.Consume(t.Context(), orders(t, 3)))
		require.NoError(t, stopped.drain(t.Context()))
		requireStep(t, other, 3, 3)
		requireAuthorized(t, other, 3, 1)
	})
}

func TestALeaseOfAClockThatWasAheadEnds(t *testing.T) {
	eachPair(t, func(t *testing.T, w *shared, dead, other replica) {
		const year = 365 * 24 * time.Hour
		w.passed.Add(int64(year))
		require.NoError(t, dead.inbox.Consume(t.Context(), orders(t, 1)))
		w.passed.Add(int64(-year))
		requireStep(t, other, 0, 0)
		_, err := other.reconcile(t.Context())
		require.NoError(t, err)
		requireStep(t, other, 1, 1)
		requireStep(t, other, 1, 1)
		requireAuthorized(t, other, 1, 3)
	})
}
