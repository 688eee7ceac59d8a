// Package store keeps orders, their timelines, and copies of prices and stock levels
// in the service's database.
//
// A transaction that changes an order locks its row until the transaction ends. Lock
// waits for the row; ClaimRecorded and ClaimOverdue take only rows that are free. A
// transaction that claims never waits, and one that waits holds no row that another
// could wait for. So any number of replicas cannot deadlock. Save also compares the
// version of the row, which proves that the lock protected the order.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// Migrations create the tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

const columns = "id, user_id, lines, amount, currency, payment_method, ship_to, status, stock, payment, " +
	"cancel, paid, reason, forget, deadline_at, created_at, updated_at, version"

// Insert adds to b the statement that inserts a new order.
func Insert(b *sqldb.Batch, o *order.Order) error {
	row, err := rowOf(o, o.Version)
	if err != nil {
		return err
	}
	b.Exec(nil, "INSERT INTO orders ("+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`, row...)
	return nil
}

func rowOf(o *order.Order, version int64) ([]any, error) {
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return nil, fmt.Errorf("encode lines of order %s: %w", o.ID, err)
	}
	shipTo, err := encodeAddress(o.ShipTo)
	if err != nil {
		return nil, fmt.Errorf("encode address of order %s: %w", o.ID, err)
	}
	return []any{
		o.ID, o.UserID, string(lines), o.Total.Amount, o.Total.Currency, o.PaymentMethod, shipTo,
		string(o.Status), string(o.Facts.Stock), string(o.Facts.Payment), string(o.Facts.Cancel),
		o.Paid, string(o.Reason), o.Forget, sqldb.Micros(o.Deadline), sqldb.Micros(o.CreatedAt),
		sqldb.Micros(o.UpdatedAt), version,
	}, nil
}

func encodeAddress(a *order.Address) (string, error) {
	if a == nil {
		return "", nil
	}
	text, err := json.Marshal(a)
	return string(text), err
}

// compareAndSet replaces a row only if it has the version before the new one. Many
// changed rows cost one statement; a row with another version is not returned.
const compareAndSet = `ON CONFLICT (id) DO UPDATE SET status = excluded.status, stock = excluded.stock,
	payment = excluded.payment, cancel = excluded.cancel, paid = excluded.paid, reason = excluded.reason,
	forget = excluded.forget, ship_to = excluded.ship_to, updated_at = excluded.updated_at, version = excluded.version
	WHERE orders.version = excluded.version - 1 RETURNING id`

// Save stores changed orders and increments their versions. It fails if the stored
// version of one of them is no longer the one that was read.
func Save(ctx context.Context, tx sqldb.Tx, orders []*order.Order) error {
	rows := make([][]any, len(orders))
	for i, o := range orders {
		var err error
		if rows[i], err = rowOf(o, o.Version+1); err != nil {
			return err
		}
	}
	saved := 0
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO orders ("+columns+")", rows, compareAndSet,
		func(r sqldb.Row) error { saved++; return r.Scan(new(string)) })
	if err != nil {
		return fmt.Errorf("save orders: %w", err)
	}
	if saved < len(rows) {
		return fmt.Errorf("save orders: %d of %d were changed since they were read", len(rows)-saved, len(rows))
	}
	for _, o := range orders {
		o.Version++
	}
	return nil
}

// Get returns the order with the id. It fails with fault.NotFound if there is none.
func Get(ctx context.Context, q sqldb.Querier, id string) (*order.Order, error) {
	return found(q.QueryRow(ctx, "SELECT "+columns+" FROM orders WHERE id = $1", id), id)
}

// Lock returns the order with the id and locks it until tx ends. It waits while another
// transaction has the order locked. It fails with fault.NotFound if there is none.
func Lock(ctx context.Context, tx sqldb.Tx, id string) (*order.Order, error) {
	return found(tx.QueryRow(ctx, "UPDATE orders SET version = version WHERE id = $1 RETURNING "+columns, id), id)
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

// ClaimSize is the largest number of orders in a claim.
const ClaimSize = 256

// ClaimRecorded locks and returns a batch of orders with recorded events that have not
// been applied. It skips orders that another transaction has locked, and events of types
// that are not known here: a newer version has recorded them and will apply them. The
// batch size is part of the SQL text, so that the query planner knows it.
func ClaimRecorded(ctx context.Context, tx sqldb.Tx, known EventTypes) ([]*order.Order, error) {
	return sqldb.All(ctx, tx, scan, "SELECT "+columns+` FROM orders WHERE id IN
		(SELECT order_id FROM order_timeline WHERE pending AND what IN `+string(known)+` ORDER BY order_id LIMIT 256)`+tx.SkipLocked())
}

// EventTypes is a list of event types as SQL text.
type EventTypes string

// NewEventTypes returns the list of these types.
func NewEventTypes(types ...string) EventTypes {
	quoted := make([]string, len(types))
	for i, t := range types {
		quoted[i] = "'" + strings.ReplaceAll(t, "'", "''") + "'"
	}
	return EventTypes("(" + strings.Join(quoted, ", ") + ")")
}

// ClaimOverdue locks and returns a batch of pending orders whose deadline has passed.
// It skips orders that another transaction has locked.
func ClaimOverdue(ctx context.Context, tx sqldb.Tx, now time.Time) ([]*order.Order, error) {
	return sqldb.All(ctx, tx, scan, "SELECT "+columns+` FROM orders WHERE status = 'pending' AND deadline_at <= $1
		ORDER BY deadline_at LIMIT 256`+tx.SkipLocked(), sqldb.Micros(now))
}

// Filter selects the orders of a list. Zero fields do not restrict it.
type Filter struct {
	UserID string
	Status order.Status
	Before string // only orders older than the one with this id
	Limit  int
}

// List returns the orders that f selects, newest first.
func List(ctx context.Context, q sqldb.Querier, f Filter) ([]*order.Order, error) {
	sql, args := "SELECT "+columns+" FROM orders", []any{}
	word := " WHERE "
	where := func(condition, value string) {
		if value == "" {
			return
		}
		args = append(args, value)
		sql += fmt.Sprintf("%s%s $%d", word, condition, len(args))
		word = " AND "
	}
	where("user_id =", f.UserID)
	where("status =", string(f.Status))
	where("id <", f.Before)
	args = append(args, f.Limit)
	return sqldb.All(ctx, q, scan, fmt.Sprintf("%s ORDER BY id DESC LIMIT $%d", sql, len(args)), args...)
}

func scan(r sqldb.Row) (*order.Order, error) {
	var o order.Order
	var lines, shipTo, status, stock, payment, cancel, reason string
	var deadline, created, updated int64
	err := r.Scan(&o.ID, &o.UserID, &lines, &o.Total.Amount, &o.Total.Currency, &o.PaymentMethod, &shipTo, &status,
		&stock, &payment, &cancel, &o.Paid, &reason, &o.Forget, &deadline, &created, &updated, &o.Version)
	if err != nil {
		return nil, err
	}
	o.Status, o.Reason = order.Status(status), order.Reason(reason)
	o.Facts = order.Facts{Stock: order.Stock(stock), Payment: order.Payment(payment), Cancel: order.Reason(cancel)}
	o.Deadline, o.CreatedAt, o.UpdatedAt = sqldb.Time(deadline), sqldb.Time(created), sqldb.Time(updated)
	if err := json.Unmarshal([]byte(lines), &o.Lines); err != nil {
		return nil, fmt.Errorf("decode lines of order %s: %w", o.ID, err)
	}
	if shipTo == "" {
		return &o, nil
	}
	if err := json.Unmarshal([]byte(shipTo), &o.ShipTo); err != nil {
		return nil, fmt.Errorf("decode address of order %s: %w", o.ID, err)
	}
	return &o, nil
}
