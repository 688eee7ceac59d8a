// Package store keeps orders, their timelines, and copies of prices and stock levels
// in the service's database.
//
// A transaction that changes orders locks their rows until it ends. LockAll waits for each
// of them in the order of their ids, and is called once in a transaction; Lock waits for
// one; ClaimRecorded and ClaimOverdue take only rows that are free. So a transaction
// that waits for a row holds only rows before it, and replicas cannot deadlock. Save also
// compares the version of the row, which proves that the lock protected the order.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/timeline"
)

// Migrations create the tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

const columns = "id, user_id, lines, amount, currency, payment_method, ship_to, ship_to_more, status, stock, payment, " +
	"cancel, paid, reason, forget, deadline_at, created_at, updated_at, version"

// changing are the columns of an order that is read to be changed.
const changing = columns + ", timeline"

// Insert inserts new orders.
func Insert(ctx context.Context, q sqldb.Querier, orders []*order.Order) error {
	rows := make([][]any, len(orders))
	for i, o := range orders {
		var err error
		if rows[i], err = rowOf(o, o.Version); err != nil {
			return err
		}
	}
	if err := sqldb.InsertRows(ctx, q, "INSERT INTO orders ("+changing+")", rows, "", nil); err != nil {
		return fmt.Errorf("insert %d orders: %w", len(orders), err)
	}
	return nil
}

func rowOf(o *order.Order, version int64) ([]any, error) {
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return nil, fmt.Errorf("encode lines of order %s: %w", o.ID, err)
	}
	shipTo, more, err := encodeAddress(o.ShipTo)
	if err != nil {
		return nil, fmt.Errorf("encode address of order %s: %w", o.ID, err)
	}
	return []any{
		o.ID, o.UserID, string(lines), o.Total.Amount, o.Total.Currency, o.PaymentMethod, shipTo, more,
		string(o.Status), string(o.Facts.Stock), string(o.Facts.Payment), string(o.Facts.Cancel),
		o.Paid, string(o.Reason), o.Forget, sqldb.Micros(o.Deadline), sqldb.Micros(o.CreatedAt),
		sqldb.Micros(o.UpdatedAt), version, o.Timeline.Added(),
	}, nil
}

// compareAndSet replaces a row only if it has the version before the new one. Many
// changed rows cost one statement; a row with another version is not returned.
const compareAndSet = `ON CONFLICT (id) DO UPDATE SET status = excluded.status, stock = excluded.stock,
	payment = excluded.payment, cancel = excluded.cancel, paid = excluded.paid, reason = excluded.reason,
	forget = excluded.forget, ship_to = excluded.ship_to, ship_to_more = excluded.ship_to_more, updated_at = excluded.updated_at, version = excluded.version,
	timeline = excluded.timeline || orders.timeline
	WHERE orders.version = excluded.version - 1 RETURNING id`

// Save stores changed orders and what was added to their timelines, and increments their
// versions. It fails if the stored version of one of them is no longer the one that was
// read.
func Save(ctx context.Context, tx sqldb.Tx, orders []*order.Order) error {
	rows := make([][]any, len(orders))
	for i, o := range orders {
		var err error
		if rows[i], err = rowOf(o, o.Version+1); err != nil {
			return err
		}
	}
	saved := 0
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO orders ("+changing+")", rows, compareAndSet,
		func(r sqldb.Row) error { saved++; return r.Scan(new(string)) })
	if err != nil {
		return fmt.Errorf("save orders: %w", err)
	}
	if saved < len(rows) {
		return fmt.Errorf("save orders: %d of %d were changed since they were read", len(rows)-saved, len(rows))
	}
	for _, o := range orders {
		o.Version++
		o.Timeline.Saved()
	}
	return nil
}

// Get returns the order with the id. It fails with fault.NotFound if there is none.
func Get(ctx context.Context, q sqldb.Querier, id string) (*order.Order, error) {
	return found(q.QueryRow(ctx, "SELECT "+columns+" FROM orders WHERE id = $1", id), id)
}

// Versions returns the versions of the orders with these ids that exist, by id.
func Versions(ctx context.Context, q sqldb.Querier, ids []string) (map[string]int64, error) {
	versions := make(map[string]int64, len(ids))
	_, err := sqldb.In(ctx, q, "SELECT id, version FROM orders WHERE id", nil, sqldb.Values(ids), "", func(r sqldb.Row) error {
		var id string
		var version int64
		err := r.Scan(&id, &version)
		versions[id] = version
		return err
	})
	return versions, err
}

// Lock returns the order with the id and locks it until tx ends. It waits while another
// transaction has the order locked. It fails with fault.NotFound if there is none.
func Lock(ctx context.Context, tx sqldb.Tx, id string) (*order.Order, error) {
	locked, err := LockAll(ctx, tx, []string{id})
	if err == nil && len(locked) == 0 {
		err = Missing(id)
	}
	if err != nil {
		return nil, err
	}
	return locked[0], nil
}

// LockAll returns those of the orders that exist, by id, and locks them until tx ends, in
// this sequence. It waits while another transaction has one of them locked. It may be
// called once in a transaction.
func LockAll(ctx context.Context, tx sqldb.Tx, ids []string) ([]*order.Order, error) {
	values := sqldb.Values(slices.Sorted(slices.Values(ids)))
	locked := make([]*order.Order, 0, len(ids))
	_, err := sqldb.In(ctx, tx, "SELECT "+changing+" FROM orders WHERE id", nil, values, "ORDER BY id"+tx.ForUpdate(),
		func(r sqldb.Row) error {
			o, err := scanChanging(r)
			locked = append(locked, o)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("lock orders: %w", err)
	}
	return locked, nil
}

func found(r sqldb.Row, id string) (*order.Order, error) {
	o, err := scan(r)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, Missing(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", id, err)
	}
	return o, nil
}

// Missing returns the error for an order that does not exist, or that the caller may
// not see: the two look the same, so that ids cannot be probed.
func Missing(id string) error { return fault.Missing("order", id, "GET /orders lists yours") }

func scan(r sqldb.Row) (*order.Order, error) { return scanWith(r) }

// scanChanging reads an order that is read to be changed.
func scanChanging(r sqldb.Row) (*order.Order, error) {
	var text string
	o, err := scanWith(r, &text)
	if err == nil {
		o.Timeline = timeline.Stored(text)
	}
	return o, err
}

// scanWith reads an order, and the columns after it into more.
func scanWith(r sqldb.Row, more ...any) (*order.Order, error) {
	var o order.Order
	var lines, shipTo, rest, status, stock, payment, cancel, reason string
	var deadline, created, updated int64
	err := r.Scan(append([]any{
		&o.ID, &o.UserID, &lines, &o.Total.Amount, &o.Total.Currency, &o.PaymentMethod, &shipTo, &rest, &status,
		&stock, &payment, &cancel, &o.Paid, &reason, &o.Forget, &deadline, &created, &updated, &o.Version,
	}, more...)...)
	if err != nil {
		return nil, err
	}
	o.Status, o.Reason = order.Status(status), order.Reason(reason)
	o.Facts = order.Facts{Stock: order.Stock(stock), Payment: order.Payment(payment), Cancel: order.Reason(cancel)}
	o.Deadline, o.CreatedAt, o.UpdatedAt = sqldb.Time(deadline), sqldb.Time(created), sqldb.Time(updated)
	if err := json.Unmarshal([]byte(lines), &o.Lines); err != nil {
		return nil, fmt.Errorf("decode lines of order %s: %w", o.ID, err)
	}
	if o.ShipTo, err = decodeAddress(shipTo, rest); err != nil {
		return nil, fmt.Errorf("decode address of order %s: %w", o.ID, err)
	}
	return &o, nil
}
