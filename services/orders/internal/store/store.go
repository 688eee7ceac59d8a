// Package store keeps orders, their timelines, and what is known of products.
//
// Who changes an order holds its row until the end of the transaction: Lock
// waits for it, the Claims take only rows that are free. A transaction that
// claims never waits, and one that waits holds nothing another could wait for, so
// that any number of replicas never deadlock. The version in Save's WHERE is the
// proof that it worked.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// Migrations make the tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

const columns = "id, user_id, lines, amount, currency, payment_method, ship_to, status, stock, payment, " +
	"cancel, paid, reason, forget, deadline_at, created_at, updated_at, version"

// Insert has b write a new order.
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

// onlyTheNext lets a row replace the version before it and no other: many changed
// rows cost one statement, and one that was changed meanwhile is not returned.
const onlyTheNext = `ON CONFLICT (id) DO UPDATE SET status = excluded.status, stock = excluded.stock,
	payment = excluded.payment, cancel = excluded.cancel, paid = excluded.paid, reason = excluded.reason,
	forget = excluded.forget, ship_to = excluded.ship_to, updated_at = excluded.updated_at, version = excluded.version
	WHERE orders.version = excluded.version - 1 RETURNING id`

// Save writes what changed of orders. Fails if one of them is not the version that
// was read any more.
func Save(ctx context.Context, tx sqldb.Tx, orders []*order.Order) error {
	rows := make([][]any, len(orders))
	for i, o := range orders {
		var err error
		if rows[i], err = rowOf(o, o.Version+1); err != nil {
			return err
		}
	}
	saved := 0
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO orders ("+columns+")", rows, onlyTheNext,
		func(r sqldb.Row) error { saved++; return r.Scan(new(string)) })
	if err != nil {
		return fmt.Errorf("save orders: %w", err)
	}
	if saved < len(rows) {
		return fmt.Errorf("save orders: %d of %d are not the newest version any more", len(rows)-saved, len(rows))
	}
	for _, o := range orders {
		o.Version++
	}
	return nil
}

// Get reads an order. Fails with fault.NotFound.
func Get(ctx context.Context, q sqldb.Querier, id string) (*order.Order, error) {
	return found(q.QueryRow(ctx, "SELECT "+columns+" FROM orders WHERE id = $1", id), id)
}

// Lock reads an order, waiting until nobody else is changing it, and keeps
// others from it until tx ends. Fails with fault.NotFound.
func Lock(ctx context.Context, tx sqldb.Tx, id string) (*order.Order, error) {
	return found(tx.QueryRow(ctx, "UPDATE orders SET version = version WHERE id = $1 RETURNING "+columns, id), id)
}

func found(r sqldb.Row, id string) (*order.Order, error) {
	o, err := scan(r)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, NoOrder()
	}
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", id, err)
	}
	return o, nil
}

// NoOrder is the fault of asking for an order that is not there, or not the
// caller's: which of the two is nobody's business.
func NoOrder() error {
	return fault.New(fault.NotFound, "order_not_found", "you have no order of this id; see GET /orders for those you have")
}

// ClaimSize is how many orders a claim takes at most.
const ClaimSize = 256

// ClaimHeard claims orders of which something was heard that is still pending, a
// batch of them, leaving out those that another replica is working on. The size
// is part of the text, for a planner to see.
func ClaimHeard(ctx context.Context, tx sqldb.Tx) ([]*order.Order, error) {
	return sqldb.All(ctx, tx, scan, "SELECT "+columns+` FROM orders WHERE id IN
		(SELECT order_id FROM order_timeline WHERE pending ORDER BY order_id LIMIT 256)`+tx.SkipLocked())
}

// ClaimOverdue claims pending orders whose deadline has passed, a batch of them,
// leaving out those that another replica is working on.
func ClaimOverdue(ctx context.Context, tx sqldb.Tx, now time.Time) ([]*order.Order, error) {
	return sqldb.All(ctx, tx, scan, "SELECT "+columns+` FROM orders WHERE status = 'pending' AND deadline_at <= $1
		ORDER BY deadline_at LIMIT 256`+tx.SkipLocked(), sqldb.Micros(now))
}

// Filter says which orders a list shows. Zero fields do not restrict it.
type Filter struct {
	UserID string
	Status order.Status
	Before string // only orders older than the one of this id
	Limit  int
}

// List reads orders, newest first.
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
