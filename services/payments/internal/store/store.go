// Package store stores payments in the service's database.
package store

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
)

// Migrations create the tables; their versions start at 1001.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// ErrLostRace is the error of saving a payment that another transaction has changed
// since it was loaded. The caller may load it and try again.
var ErrLostRace = errors.New("the payment was changed by another transaction since it was loaded")

const columns = "id, order_id, user_id, amount, currency, method, goal, state, code, reason, operations, created_at, version"

// OfOrders returns the payments of orders, by order id. Orders without a payment are
// left out.
func OfOrders(ctx context.Context, q sqldb.Querier, orderIDs []string) (map[string]*payment.Payment, error) {
	return load(ctx, q, "order_id", orderIDs, "", func(p *payment.Payment) string { return p.OrderID })
}

// LockOrders returns the payments of orders like OfOrders and locks them: no other
// transaction changes them until tx ends. It locks them in the order of the order
// ids, so that two transactions that lock the same ones wait and do not deadlock.
func LockOrders(ctx context.Context, tx sqldb.Tx, orderIDs []string) (map[string]*payment.Payment, error) {
	return load(ctx, tx, "order_id", slices.Sorted(slices.Values(orderIDs)), "ORDER BY order_id"+tx.ForUpdate(),
		func(p *payment.Payment) string { return p.OrderID })
}

// ByID returns payments by id. Unknown ids are left out.
func ByID(ctx context.Context, q sqldb.Querier, ids []string) (map[string]*payment.Payment, error) {
	return load(ctx, q, "id", ids, "", func(p *payment.Payment) string { return p.ID })
}

func load(ctx context.Context, q sqldb.Querier, column string, keys []string, after string,
	keyOf func(*payment.Payment) string,
) (map[string]*payment.Payment, error) {
	found := make(map[string]*payment.Payment, len(keys))
	_, err := sqldb.In(ctx, q, "SELECT "+columns+" FROM payments WHERE "+column, nil, sqldb.Values(keys), after, func(row sqldb.Row) error {
		p, err := scan(row)
		found[keyOf(p)] = p
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load payments by %s: %w", column, err)
	}
	return found, nil
}

// Due returns payments whose open operation is due, the longest waiting first, and
// locks them. It skips those that another transaction has locked, so that replicas
// share the work.
func Due(ctx context.Context, tx sqldb.Tx, now time.Time, limit int) ([]*payment.Payment, error) {
	ps, err := sqldb.All(ctx, tx, scan,
		"SELECT "+columns+" FROM payments WHERE due_at <= $1 ORDER BY due_at LIMIT $2"+tx.SkipLocked(), sqldb.Micros(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find due operations: %w", err)
	}
	return ps, nil
}

// farAhead is further ahead than any wait of a right clock.
const farAhead = time.Hour

// WakeFarAhead makes the operations due whose time was stored while the clock was ahead:
// otherwise money would be given back after years.
func WakeFarAhead(ctx context.Context, db sqldb.DB, now time.Time) error {
	for _, statement := range []string{
		"UPDATE payments SET due_at = $1 WHERE due_at > $2",
		"UPDATE payment_leases SET ends_at = $1 WHERE ends_at > $2",
	} {
		if _, err := db.Exec(ctx, statement, sqldb.Micros(now), sqldb.Micros(now.Add(farAhead))); err != nil {
			return fmt.Errorf("wake operations that are due far ahead: %w", err)
		}
	}
	return nil
}

// OfUser returns a user's payments, newest first. before is the id of the last one
// of the previous page, empty for the first page.
func OfUser(ctx context.Context, q sqldb.Querier, userID, before string, limit int) ([]*payment.Payment, error) {
	ps, err := sqldb.All(ctx, q, scan,
		"SELECT "+columns+" FROM payments WHERE user_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3",
		userID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list payments of a user: %w", err)
	}
	return ps, nil
}

// After returns payments of all users, oldest first. after is the id of the last one
// of the previous page, empty for the first page.
func After(ctx context.Context, q sqldb.Querier, after string, limit int) ([]*payment.Payment, error) {
	ps, err := sqldb.All(ctx, q, scan, "SELECT "+columns+" FROM payments WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("list payments: %w", err)
	}
	return ps, nil
}

// Save stores new and changed payments, in the order in which LockOrders locks them.
// It returns ErrLostRace if one of them was changed since it was loaded. If another
// transaction has added one meanwhile, tx is run again.
func Save(ctx context.Context, tx sqldb.Tx, ps []*payment.Payment) error {
	var fresh, changed [][]any
	for _, p := range slices.SortedFunc(slices.Values(ps), func(a, b *payment.Payment) int { return strings.Compare(a.OrderID, b.OrderID) }) {
		operations, err := json.Marshal(p.Operations)
		if err != nil {
			return fmt.Errorf("encode operations of payment %s: %w", p.ID, err)
		}
		row := []any{
			p.ID, p.OrderID, p.UserID, p.Amount.Amount, p.Amount.Currency, p.Method, int(p.Goal),
			string(p.State), p.Code, p.Reason, string(operations), sqldb.Micros(p.CreatedAt), p.Version + 1, dueAt(p),
		}
		if p.Version == 0 {
			fresh = append(fresh, row)
		} else {
			changed = append(changed, row)
		}
	}
	const insert = "INSERT INTO payments (" + columns + ", due_at)"
	if err := sqldb.InsertRows(ctx, tx, insert, fresh, "", nil); err != nil {
		return fmt.Errorf("add payments: %w", err)
	}
	saved := 0
	err := sqldb.InsertRows(ctx, tx, insert, changed, onlyNextVersion,
		func(row sqldb.Row) error { saved++; return row.Scan(new(string)) })
	if err != nil {
		return fmt.Errorf("save payments: %w", err)
	}
	if saved < len(changed) {
		return ErrLostRace
	}
	return nil
}

// onlyNextVersion lets a row replace only the version before it. So one statement
// saves many rows, and a row that lost a race is not among those it returns.
const onlyNextVersion = `ON CONFLICT (order_id) DO UPDATE SET user_id = excluded.user_id, amount = excluded.amount,
	currency = excluded.currency, method = excluded.method, goal = excluded.goal, state = excluded.state, code = excluded.code,
	reason = excluded.reason, operations = excluded.operations, due_at = excluded.due_at, version = excluded.version
	WHERE payments.version = excluded.version - 1 RETURNING id`

// dueAt returns when the open operation is due. It is null if its lease has a row of its
// own, so that in the common case no statement changes due_at, nor its index.
func dueAt(p *payment.Payment) any {
	if open := p.Open(); open != nil && open.Lease == "" {
		return sqldb.Micros(open.DueAt)
	}
	return nil
}

func scan(row sqldb.Row) (*payment.Payment, error) {
	var p payment.Payment
	var operations string
	var created int64
	err := row.Scan(&p.ID, &p.OrderID, &p.UserID, &p.Amount.Amount, &p.Amount.Currency, &p.Method, &p.Goal,
		&p.State, &p.Code, &p.Reason, &operations, &created, &p.Version)
	if err != nil {
		return &p, err
	}
	p.CreatedAt = sqldb.Time(created)
	if err := json.Unmarshal([]byte(operations), &p.Operations); err != nil {
		return &p, fmt.Errorf("decode operations of payment %s: %w", p.ID, err)
	}
	return &p, nil
}
