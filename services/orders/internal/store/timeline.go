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

// Entry is one thing that happened to an order.
type Entry struct {
	OrderID     string
	ID          string // the event's
	At          time.Time
	What        string // an event type
	Who         string // the service, the customer or the admin behind it
	Detail      string // a sentence for people
	Cause       string // the id of the event that led to it; empty if a request did
	Traceparent string
}

const entryColumns = "order_id, id, at, what, who, detail, cause, traceparent"

// Note writes entries of what this service did.
func Note(ctx context.Context, tx sqldb.Tx, entries []Entry) error {
	return sqldb.InsertRows(ctx, tx, insertEntry, entryRows(entries, false), "", nil)
}

// NoteIn has b write an entry of what this service did.
func NoteIn(b *sqldb.Batch, e Entry) {
	b.Exec(nil, insertEntry+" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", e.row(false)...)
}

// Heard writes entries of what others said, pending until Take. It fails if
// there is no such order. An entry that is there already stays as it is.
func Heard(ctx context.Context, tx sqldb.Tx, entries []Entry) error {
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

// HeardOfUser writes e for every order of a user, pending until Take.
func HeardOfUser(ctx context.Context, tx sqldb.Tx, userID string, e Entry) error {
	_, err := tx.Exec(ctx, "INSERT INTO order_timeline ("+entryColumns+`, pending)
		SELECT id, $1, $2, $3, $4, $5, $6, $7, $8 FROM orders WHERE user_id = $9
		ON CONFLICT (order_id, id) DO NOTHING`,
		e.ID, sqldb.Micros(e.At), e.What, e.Who, e.Detail, e.Cause, e.Traceparent, true, userID)
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
	return []any{e.OrderID, e.ID, sqldb.Micros(e.At), e.What, e.Who, e.Detail, e.Cause, e.Traceparent, pending}
}

// Take gives what was heard of orders and is pending, by order and in the order
// it came, and marks it as done. The caller holds the orders.
func Take(ctx context.Context, tx sqldb.Tx, orders []*order.Order) (map[string][]Entry, error) {
	ids := make([]any, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	taken := map[string][]Entry{}
	_, err := sqldb.In(ctx, tx, "UPDATE order_timeline SET pending = FALSE WHERE pending AND order_id", nil, ids,
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

// Timeline reads all that happened to an order, oldest first. What was heard shows
// once it has been considered, so that it never runs ahead of the order's state.
func Timeline(ctx context.Context, q sqldb.Querier, orderID string) ([]Entry, error) {
	entries, err := sqldb.All(ctx, q, scanEntry, "SELECT "+entryColumns+" FROM order_timeline WHERE order_id = $1 AND NOT pending", orderID)
	chronological(entries)
	return entries, err
}

func chronological(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
}

func scanEntry(r sqldb.Row) (Entry, error) {
	var e Entry
	var at int64
	err := r.Scan(&e.OrderID, &e.ID, &at, &e.What, &e.Who, &e.Detail, &e.Cause, &e.Traceparent)
	e.At = sqldb.Time(at)
	return e, err
}
