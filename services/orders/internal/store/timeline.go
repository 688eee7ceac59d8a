package store

import (
	"context"
	"errors"
	"slices"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/timeline"
)

// The table order_timeline has the entries of earlier versions, and events that wait for
// the decider: those that concern all orders of a customer, and those that a replica of an
// earlier version has recorded.

// Recorded is an event about an order, as it is added to the order's timeline: by the
// handler that has consumed it, or by the decider, which it waits for in order_timeline.
type Recorded struct {
	OrderID string
	timeline.Entry
	Traceparent string
}

const entryColumns = "order_id, id, at, what, who, detail, cause, traceparent"

// RecordForUser inserts e for every order of a user, pending until TakeRecorded.
func RecordForUser(ctx context.Context, tx sqldb.Tx, userID string, e Recorded) error {
	_, err := tx.Exec(ctx, "INSERT INTO order_timeline ("+entryColumns+`, pending)
		SELECT id, $1, $2, $3, $4, $5, $6, $7, $8 FROM orders WHERE user_id = $9
		ON CONFLICT (order_id, id) DO NOTHING`,
		e.EventID, sqldb.Micros(e.At), e.Type, e.By, e.Detail, e.Cause, e.Traceparent, true, userID)
	return err
}

// TakeRecorded deletes and returns the pending events of orders whose types are known here,
// by order id and in chronological order. The caller has locked the orders.
func TakeRecorded(ctx context.Context, tx sqldb.Tx, known EventTypes, orders []*order.Order) (map[string][]Recorded, error) {
	ids := make([]any, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	taken := map[string][]Recorded{}
	_, err := sqldb.In(ctx, tx, "DELETE FROM order_timeline WHERE pending AND what IN "+string(known)+" AND order_id", nil, ids,
		" RETURNING "+entryColumns, func(r sqldb.Row) error {
			e, err := scanRecorded(r)
			taken[e.OrderID] = append(taken[e.OrderID], e)
			return err
		})
	for _, recorded := range taken {
		slices.SortFunc(recorded, func(a, b Recorded) int { return timeline.Compare(a.Entry, b.Entry) })
	}
	return taken, err
}

// Timeline returns the entries of an order, oldest first. Pending events are left out, so
// that the timeline is never ahead of the order's state.
func Timeline(ctx context.Context, q sqldb.Querier, orderID string) ([]timeline.Entry, error) {
	var text string
	var earlier []timeline.Entry
	var b sqldb.Batch
	b.Query(func(r sqldb.Row) error { return r.Scan(&text) }, "SELECT timeline FROM orders WHERE id = $1", orderID)
	b.Query(func(r sqldb.Row) error {
		e, err := scanRecorded(r)
		earlier = append(earlier, e.Entry)
		return err
	}, "SELECT "+entryColumns+" FROM order_timeline WHERE order_id = $1 AND NOT pending", orderID)
	err := q.Run(ctx, &b)
	later, broken := timeline.Stored(text).Entries()
	return timeline.Merge(earlier, later), errors.Join(err, broken)
}

func scanRecorded(r sqldb.Row) (e Recorded, err error) {
	var at int64
	err = r.Scan(&e.OrderID, &e.EventID, &at, &e.Type, &e.By, &e.Detail, &e.Cause, &e.Traceparent)
	e.At = sqldb.Time(at)
	return e, err
}
