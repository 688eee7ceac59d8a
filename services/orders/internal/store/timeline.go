package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// Entry is one event in an order's timeline: one that this service published, or one
// that it consumed.
type Entry struct {
	OrderID     string
	EventID     string
	At          time.Time
	Type        string // the event type
	By          string // the service, customer or admin who caused it
	Detail      string // a sentence for people
	Cause       string // the id of the event that caused it; empty if a request or the clock did
	Traceparent string
}

const entryColumns = "order_id, id, at, what, who, detail, cause, traceparent"

// Append inserts entries for events that this service publishes.
func Append(ctx context.Context, tx sqldb.Tx, entries []Entry) error {
	return sqldb.InsertRows(ctx, tx, insertEntry, entryRows(entries, false), "", nil)
}

// AppendIn adds to b the statement that inserts an entry for an event that this service
// publishes.
func AppendIn(b *sqldb.Batch, e Entry) {
	b.Exec(nil, insertEntry+" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", e.row(false)...)
}

// Record inserts entries for events that this service consumes. They are pending until
// TakeRecorded. Record fails if an order does not exist. An entry that exists already
// is not changed.
func Record(ctx context.Context, tx sqldb.Tx, entries []Entry) error {
	return sqldb.InsertRows(ctx, tx, insertEntry, entryRows(entries, true),
		`ON CONFLICT (order_id, id) DO NOTHING
		RETURNING order_id, EXISTS (SELECT 1 FROM orders WHERE orders.id = order_timeline.order_id)`,
		func(r sqldb.Row) error {
			var id string
			var exists bool
			if err := r.Scan(&id, &exists); err != nil {
				return err
			}
			if !exists {
				return fmt.Errorf("order %s is not in this database", id)
			}
			return nil
		})
}

// RecordForUser inserts e for every order of a user, pending until TakeRecorded.
func RecordForUser(ctx context.Context, tx sqldb.Tx, userID string, e Entry) error {
	_, err := tx.Exec(ctx, "INSERT INTO order_timeline ("+entryColumns+`, pending)
		SELECT id, $1, $2, $3, $4, $5, $6, $7, $8 FROM orders WHERE user_id = $9
		ON CONFLICT (order_id, id) DO NOTHING`,
		e.EventID, sqldb.Micros(e.At), e.Type, e.By, e.Detail, e.Cause, e.Traceparent, true, userID)
	return err
}

const insertEntry = "INSERT INTO order_timeline (" + entryColumns + ", pending)"

func entryRows(entries []Entry, pending bool) [][]any {
	rows := make([][]any, len(entries))
	for i, e := range entries {
		rows[i] = e.row(pending)
	}
	return rows
}

func (e Entry) row(pending bool) []any {
	return []any{e.OrderID, e.EventID, sqldb.Micros(e.At), e.Type, e.By, e.Detail, e.Cause, e.Traceparent, pending}
}

// TakeRecorded returns the pending entries of orders whose types are known here, by order id and in chronological
// order, and marks them as applied. The caller has locked the orders.
func TakeRecorded(ctx context.Context, tx sqldb.Tx, known EventTypes, orders []*order.Order) (map[string][]Entry, error) {
	ids := make([]any, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	taken := map[string][]Entry{}
	_, err := sqldb.In(ctx, tx, "UPDATE order_timeline SET pending = FALSE WHERE pending AND what IN "+string(known)+" AND order_id", nil, ids,
		" RETURNING "+entryColumns, func(r sqldb.Row) error {
			e, err := scanEntry(r)
			taken[e.OrderID] = append(taken[e.OrderID], e)
			return err
		})
	for _, entries := range taken {
		chronological(entries)
	}
	return taken, err
}

// Timeline returns the entries of an order, oldest first. Pending entries are left out,
// so that the timeline is never ahead of the order's state.
func Timeline(ctx context.Context, q sqldb.Querier, orderID string) ([]Entry, error) {
	entries, err := sqldb.All(ctx, q, scanEntry, "SELECT "+entryColumns+" FROM order_timeline WHERE order_id = $1 AND NOT pending", orderID)
	chronological(entries)
	return entries, err
}

func chronological(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.EventID, b.EventID))
	})
}

func scanEntry(r sqldb.Row) (Entry, error) {
	var e Entry
	var at int64
	err := r.Scan(&e.OrderID, &e.EventID, &at, &e.Type, &e.By, &e.Detail, &e.Cause, &e.Traceparent)
	e.At = sqldb.Time(at)
	return e, err
}
