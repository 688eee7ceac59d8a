package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/console/internal/view"
)

// PutOrders replaces the lines of orders in the list.
func PutOrders(ctx context.Context, tx sqldb.Tx, orders []view.OrderSummary) error {
	var b sqldb.Batch
	for _, o := range orders {
		b.Exec(nil, `INSERT INTO orders (id, user_id, status, cause, verdict, amount, currency, attempts, failures, started_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, status = excluded.status, cause = excluded.cause,
			verdict = excluded.verdict, amount = excluded.amount, currency = excluded.currency, attempts = excluded.attempts,
			failures = excluded.failures, started_at = excluded.started_at, updated_at = excluded.updated_at`,
			o.ID, o.UserID, o.Status, o.Cause, o.Verdict, o.Total.Amount, o.Total.Currency, o.Attempts, o.Failures,
			sqldb.Micros(o.StartedAt), sqldb.Micros(o.UpdatedAt))
	}
	if err := tx.Run(ctx, &b); err != nil {
		return fmt.Errorf("list %d orders: %w", len(orders), err)
	}
	return nil
}

// OrderFilter selects orders. An empty field selects all. Search is the beginning of the id
// of an order or of a user.
type OrderFilter struct{ Status, Cause, User, Search string }

// After is the last order of the page before; the zero value begins with the newest.
type After struct {
	StartedAt time.Time
	ID        string
}

// Orders returns up to limit orders, the newest first.
func Orders(ctx context.Context, q sqldb.Querier, f OrderFilter, after After, limit int) ([]view.OrderSummary, error) {
	where, args := f.conditions()
	if after.ID != "" {
		args = append(args, sqldb.Micros(after.StartedAt), after.ID)
		where += fmt.Sprintf(" AND (started_at < $%[1]d OR started_at = $%[1]d AND id < $%[2]d)", len(args)-1, len(args))
	}
	args = append(args, limit)
	orders, err := sqldb.All(ctx, q, scanOrder, fmt.Sprintf(`SELECT id, user_id, status, cause, verdict, amount, currency, attempts, failures,
		started_at, updated_at FROM orders WHERE %s ORDER BY started_at DESC, id DESC LIMIT $%d`, where, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return orders, nil
}

// CountMatching returns how many orders match, at most `most`.
func CountMatching(ctx context.Context, q sqldb.Querier, f OrderFilter, most int) (n int, err error) {
	where, args := f.conditions()
	args = append(args, most)
	err = q.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM orders WHERE %s LIMIT $%d) AS matching", where, len(args)), args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count orders: %w", err)
	}
	return n, nil
}

func (f OrderFilter) conditions() (string, []any) {
	where, args := []string{"1 = 1"}, []any{}
	for _, equal := range [][2]string{{"status", f.Status}, {"cause", f.Cause}, {"user_id", f.User}} {
		if equal[1] != "" {
			args = append(args, equal[1])
			where = append(where, fmt.Sprintf("%s = $%d", equal[0], len(args)))
		}
	}
	if f.Search != "" {
		args = append(args, escapeLike(f.Search)+"%")
		where = append(where, fmt.Sprintf(`(id LIKE $%[1]d ESCAPE '\' OR user_id LIKE $%[1]d ESCAPE '\')`, len(args)))
	}
	return strings.Join(where, " AND "), args
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func scanOrder(r sqldb.Row) (o view.OrderSummary, err error) {
	var started, updated int64
	err = r.Scan(&o.ID, &o.UserID, &o.Status, &o.Cause, &o.Verdict, &o.Total.Amount, &o.Total.Currency, &o.Attempts, &o.Failures, &started, &updated)
	o.StartedAt, o.UpdatedAt = sqldb.Time(started), sqldb.Time(updated)
	return o, err
}
