package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/timeline"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func anOrder(id string) *order.Order {
	return &order.Order{
		ID: id, UserID: "ada", PaymentMethod: "pm_card_visa", Total: money.Money{Amount: 700, Currency: "EUR"},
		Lines:  []order.Line{{SKU: "tea", Name: "Tea", Quantity: 2, UnitPrice: money.Money{Amount: 350, Currency: "EUR"}}},
		ShipTo: &order.Address{Name: "Ada", Line1: "1 Road", City: "London", PostalCode: "N1", Country: "GB"},
		State: order.State{
			Status: order.Pending, Facts: order.Facts{Stock: order.StockUnknown, Payment: order.MoneyUnknown},
		},
		Deadline: noon.Add(time.Minute), CreatedAt: noon, UpdatedAt: noon, Version: 1,
	}
}

// onEach runs test on each database, with an order "1" in it.
func onEach(t *testing.T, test func(ctx context.Context, t *testing.T, db sqldb.DB)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		require.NoError(t, Insert(t.Context(), db, []*order.Order{anOrder("1")}))
		test(t.Context(), t, db)
	}, Migrations)
}

func TestAnOrderIsReadAsItWasWritten(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		o, err := Get(ctx, db, "1")
		require.NoError(t, err)
		require.Equal(t, anOrder("1"), o)

		o.Record(order.Facts{Stock: order.StockShort, Cancel: order.ByAdmin})
		require.Equal(t, order.Cancel, o.Apply())
		o.CustomerDeleted()
		o.UpdatedAt = noon.Add(time.Hour)
		require.NoError(t, save(ctx, db, o))
		again, err := Get(ctx, db, "1")
		require.NoError(t, err)
		require.Equal(t, o, again)
		require.Equal(t, int64(2), again.Version)
	})
}

func TestAnOutdatedVersionIsNotSaved(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		o := anOrder("1")
		o.Version = 7
		require.ErrorContains(t, save(ctx, db, o), "1 of 1 were changed since they were read")
	})
}

func save(ctx context.Context, db sqldb.DB, o *order.Order) error {
	return db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return Save(ctx, tx, []*order.Order{o}) })
}

// record inserts an event as a replica of version 0.1 records it.
func record(ctx context.Context, t *testing.T, tx sqldb.Tx, r Recorded) {
	t.Helper()
	_, err := tx.Exec(ctx, "INSERT INTO order_timeline ("+entryColumns+", pending) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, TRUE)",
		r.OrderID, r.EventID, sqldb.Micros(r.At), r.Type, r.By, r.Detail, r.Cause, r.Traceparent)
	require.NoError(t, err)
}

func recorded(eventID string, at time.Time, eventType string) Recorded {
	return Recorded{OrderID: "1", Entry: timeline.Entry{EventID: eventID, At: at, Type: eventType}}
}

// known are the types of the events in these tests.
var known = NewEventTypes("sooner", "later")

// After a rollback there may be events that only the newer version knows.
func TestAnEventOfAnUnknownTypeStaysPendingAndDelaysNothing(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		newer, sooner := recorded("a", noon, "it's.newer"), recorded("b", noon, "sooner")
		require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			record(ctx, t, tx, newer)
			claimed, err := ClaimRecorded(ctx, tx, known)
			require.NoError(t, err)
			require.Empty(t, claimed)

			record(ctx, t, tx, sooner)
			claimed, err = ClaimRecorded(ctx, tx, known)
			require.NoError(t, err)
			require.Len(t, claimed, 1)
			taken, err := TakeRecorded(ctx, tx, known, claimed)
			require.NoError(t, err)
			require.Equal(t, map[string][]Recorded{"1": {sooner}}, taken)

			taken, err = TakeRecorded(ctx, tx, NewEventTypes("it's.newer"), claimed)
			require.NoError(t, err)
			require.Equal(t, map[string][]Recorded{"1": {newer}}, taken, "the newer version applies it")
			return nil
		}))
	})
}

func TestARecordedEventIsTakenOnce(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		later, sooner := recorded("a", noon.Add(time.Second), "later"), recorded("b", noon, "sooner")
		require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			record(ctx, t, tx, later)
			record(ctx, t, tx, sooner)
			claimed, err := ClaimRecorded(ctx, tx, known)
			require.NoError(t, err)
			require.Len(t, claimed, 1)
			taken, err := TakeRecorded(ctx, tx, known, claimed)
			require.NoError(t, err)
			require.Equal(t, map[string][]Recorded{"1": {sooner, later}}, taken)

			claimed, err = ClaimRecorded(ctx, tx, known)
			require.NoError(t, err)
			require.Empty(t, claimed)
			return nil
		}))
	})
}

func TestOrdersAreLockedInTheOrderOfTheirIDs(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		for _, id := range []string{"4", "2", "3"} {
			require.NoError(t, Insert(ctx, db, []*order.Order{anOrder(id)}))
		}
		require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			locked, err := LockAll(ctx, tx, []string{"3", "1", "5", "4"})
			require.NoError(t, err)
			var ids []string
			for _, o := range locked {
				ids = append(ids, o.ID)
			}
			require.Equal(t, []string{"1", "3", "4"}, ids)
			return nil
		}))
	})
}

// An order that an earlier version has begun has entries in two places.
func TestATimelineIsReadFromTwoPlaces(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		_, err := db.Exec(ctx, `INSERT INTO order_timeline (order_id, id, at, what, who, detail, cause, traceparent, pending)
			VALUES ('1', 'b', $1, 'second', '', '', 'a', '', FALSE), ('1', 'a', $1, 'first', '', '', '', '', FALSE),
			('1', 'x', $1, 'waits', '', '', '', '', TRUE), ('1', 'd', $2, 'fourth', '', '', '', '', FALSE)`,
			sqldb.Micros(noon), sqldb.Micros(noon.Add(2*time.Second)))
		require.NoError(t, err)
		require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			o, err := Lock(ctx, tx, "1")
			require.NoError(t, err)
			o.Timeline.Add(timeline.Entry{EventID: "c", At: noon.Add(time.Second), Type: "third", Cause: "b"})
			require.NoError(t, Save(ctx, tx, []*order.Order{o}))
			o.Timeline.Add(timeline.Entry{EventID: "b", At: noon.Add(time.Second), Type: "second again"})
			return Save(ctx, tx, []*order.Order{o})
		}))
		entries, err := Timeline(ctx, db, "1")
		require.NoError(t, err)
		var shown []string
		for _, e := range entries {
			shown = append(shown, e.Type)
		}
		require.Equal(t, []string{"first", "second", "third", "fourth"}, shown)
		require.Equal(t, "b", entries[2].Cause)
	})
}

// What an earlier order has added must not be lost if it is saved from what a list read.
func TestAnOrderThatWasNotReadToBeChangedKeepsItsTimeline(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		o := anOrder("2")
		o.Timeline.Add(timeline.Entry{EventID: "a", At: noon, Type: "first"})
		require.NoError(t, Insert(ctx, db, []*order.Order{o}))
		read, err := Get(ctx, db, "2")
		require.NoError(t, err)
		require.NoError(t, save(ctx, db, read))
		entries, err := Timeline(ctx, db, "2")
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
}

func TestAClaimSkipsLockedOrders(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		if severalWriters(ctx, t, db) {
			require.NoError(t, db.Tx(ctx, func(inside context.Context, tx sqldb.Tx) error {
				if _, err := Lock(inside, tx, "1"); err != nil {
					return err
				}
				require.Empty(t, overdue(ctx, t, db), "the order is locked")
				return nil
			}))
		}
		require.Len(t, overdue(ctx, t, db), 1)
	})
}

func severalWriters(ctx context.Context, t *testing.T, db sqldb.DB) (several bool) {
	t.Helper()
	require.NoError(t, db.Tx(ctx, func(_ context.Context, tx sqldb.Tx) error {
		several = tx.SkipLocked() != ""
		return nil
	}))
	return several
}

func overdue(ctx context.Context, t *testing.T, db sqldb.DB) (claimed []*order.Order) {
	t.Helper()
	require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		claimed, err = ClaimOverdue(ctx, tx, noon.Add(time.Minute))
		return err
	}))
	return claimed
}
