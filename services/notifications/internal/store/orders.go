package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
)

// Order is what a customer ordered.
type Order struct {
	ID     string
	UserID string
	content.Order
}

// AddOrders stores what was ordered. An order that is stored already stays as it is.
func AddOrders(ctx context.Context, tx sqldb.Tx, orders []Order, now time.Time) error {
	rows := make([][]any, len(orders))
	for i, o := range orders {
		lines, err := json.Marshal(o.Lines)
		if err != nil {
			return fmt.Errorf("encode the lines of order %s: %w", o.ID, err)
		}
		rows[i] = []any{o.ID, o.UserID, string(lines), o.Total.Amount, o.Total.Currency, sqldb.Micros(now)}
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO orders (order_id, user_id, lines, amount, currency, created_at)",
		rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("add %d orders: %w", len(orders), err)
	}
	return nil
}

// Orders returns the orders with these ids that are stored, by id.
func Orders(ctx context.Context, q sqldb.Querier, ids []string) (map[string]*content.Order, error) {
	found := make(map[string]*content.Order, len(ids))
	_, err := sqldb.In(ctx, q, "SELECT order_id, lines, amount, currency FROM orders WHERE order_id",
		nil, distinct(ids), "", func(row sqldb.Row) error {
			var id, lines string
			o := &content.Order{}
			if err := row.Scan(&id, &lines, &o.Total.Amount, &o.Total.Currency); err != nil {
				return err
			}
			found[id] = o
			return json.Unmarshal([]byte(lines), &o.Lines)
		})
	if err != nil {
		return nil, fmt.Errorf("read %d orders: %w", len(ids), err)
	}
	return found, nil
}
