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
		var b sqldb.Batch
		require.NoError(t, Insert(&b, anOrder("1")))
		require.NoError(t, db.Run(t.Context(), &b))
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

func TestAnEventAboutAnUnknownOrderIsNotRecorded(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		err := db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			return Record(ctx, tx, []Entry{{OrderID: "1", EventID: "a"}, {OrderID: "2", EventID: "b"}})
		})
		require.ErrorContains(t, err, "order 2 is not in this database")
		entries, err := Timeline(ctx, db, "1")
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}

// known are the types of the events in these tests.
var known = NewEventTypes("sooner", "later")

// After a rollback the timeline may contain events that only the newer version knows.
func TestAnEventOfAnUnknownTypeStaysPendingAndDelaysNothing(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		newer := Entry{OrderID: "1", EventID: "a", At: noon, Type: "it's.newer"}
		sooner := Entry{OrderID: "1", EventID: "b", At: noon, Type: "sooner"}
		require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, Record(ctx, tx, []Entry{newer}))
			claimed, err := ClaimRecorded(ctx, tx, known)
			require.NoError(t, err)
			require.Empty(t, claimed)

			require.NoError(t, Record(ctx, tx, []Entry{sooner}))
			claimed, err = ClaimRecorded(ctx, tx, known)
			require.NoError(t, err)
			require.Len(t, claimed, 1)
			taken, err := TakeRecorded(ctx, tx, known, claimed)
			require.NoError(t, err)
			require.Equal(t, map[string][]Entry{"1": {sooner}}, taken)

			taken, err = TakeRecorded(ctx, tx, NewEventTypes("it's.newer"), claimed)
			require.NoError(t, err)
			require.Equal(t, map[string][]Entry{"1": {newer}}, taken, "the newer version applies it")
			return nil
		}))
	})
}

func TestARecordedEventIsTakenOnce(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		later := Entry{OrderID: "1", EventID: "a", At: noon.Add(time.Second), Type: "later"}
		sooner := Entry{OrderID: "1", EventID: "b", At: noon, Type: "sooner"}
		var first, second, third []*order.Order
		var taken, nothing map[string][]Entry
		require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			if first, err = ClaimRecorded(ctx, tx, known); err != nil {
				return err
			}
			if err = Record(ctx, tx, []Entry{later, sooner, sooner}); err != nil {
				return err
			}
			if second, err = ClaimRecorded(ctx, tx, known); err != nil {
				return err
			}
			if taken, err = TakeRecorded(ctx, tx, known, second); err != nil {
				return err
			}
			if nothing, err = TakeRecorded(ctx, tx, known, second); err != nil {
				return err
			}
			third, err = ClaimRecorded(ctx, tx, known)
			return err
		}))
		require.Empty(t, first)
		require.Len(t, second, 1)
		require.Equal(t, map[string][]Entry{"1": {sooner, later}}, taken)
		require.Empty(t, nothing)
		require.Empty(t, third)
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
