package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/webhook"
)

// conditions collects the conditions of a WHERE, and their arguments.
type conditions struct {
	where string
	args  []any
}

// and adds a condition that ends before its value, unless the value is empty.
func (c *conditions) and(condition, value string) {
	if value != "" {
		c.args = append(c.args, value)
		c.where += fmt.Sprintf(" AND %s $%d", condition, len(c.args))
	}
}

// End ends a delivery by hand, unless it is no longer in the state of d, and returns it as
// it is then and whether it was ended.
func End(ctx context.Context, tx sqldb.Tx, d Delivery, to delivery.State, reply string, now time.Time) (Delivery, bool, error) {
	n, err := tx.Exec(ctx, "UPDATE deliveries SET state = $3, reply = $4, next_at = NULL, lease = '', phase = '', updated_at = $5 WHERE id = $1 AND state = $2",
		d.ID, string(d.State), string(to), reply, sqldb.Micros(now))
	if err != nil {
		return d, false, fmt.Errorf("end delivery %s: %w", d.ID, err)
	}
	d.State, d.Reply, d.NextAt, d.UpdatedAt = to, reply, time.Time{}, now
	return d, n == 1, nil
}

// RetryAll queues up to limit deliveries again that the filter selects and that have not
// changed since began, and returns how many. The filter names their state.
func RetryAll(ctx context.Context, tx sqldb.Tx, f Filter, began time.Time, limit int) (int, error) {
	c := conditions{args: []any{sqldb.Micros(began), sqldb.Micros(began.Add(delivery.MaxAge)), limit}}
	c.and("state =", string(f.State))
	c.and("channel =", f.Channel)
	c.and("kind =", f.Kind)
	c.and("user_id =", f.UserID)
	c.and("order_id =", f.OrderID)
	n, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'queued', next_at = $1, expires_at = $2, updated_at = $1 WHERE id IN
		(SELECT id FROM deliveries WHERE updated_at <= $1`+c.where+" LIMIT $3)", c.args...)
	if err != nil {
		return 0, fmt.Errorf("retry all deliveries that are %s: %w", f.State, err)
	}
	return int(n), nil
}

// RetryAllWebhookDeliveries does for deliveries to webhooks what RetryAll does for the
// others. Those whose event was erased stay as they are.
func RetryAllWebhookDeliveries(ctx context.Context, tx sqldb.Tx, f WebhookFilter, began time.Time, limit int) (int, error) {
	c := conditions{args: []any{sqldb.Micros(began), sqldb.Micros(began.Add(webhook.MaxAge)), limit}}
	c.and("state =", string(f.State))
	c.and("webhook_id =", f.WebhookID)
	c.and("event_type =", f.EventType)
	c.and("order_id =", f.OrderID)
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET state = 'queued', next_at = $1, expires_at = $2, updated_at = $1 WHERE id IN
		(SELECT id FROM webhook_deliveries WHERE updated_at <= $1 AND body <> ''`+c.where+" LIMIT $3)", c.args...)
	if err != nil {
		return 0, fmt.Errorf("retry all deliveries to webhooks that are %s: %w", f.State, err)
	}
	return int(n), nil
}

// SuppressWebhookDelivery ends a delivery to a webhook that waits, and reports whether it
// did.
func SuppressWebhookDelivery(ctx context.Context, tx sqldb.Tx, id, reply string, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET state = 'suppressed', reply = $2, next_at = NULL, updated_at = $3
		WHERE id = $1 AND state IN ('queued', 'deferred')`, id, reply, sqldb.Micros(now))
	return n == 1, err
}
