package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/webhook"
)

// WebhookDelivery is one event on its way to one webhook.
type WebhookDelivery struct {
	ID        string
	WebhookID string
	EventID   string
	EventType string
	OrderID   string
	UserID    string // whom Body names
	Body      string // the event; empty once it was erased
	State     delivery.State
	Attempts  int
	Status    int // of the last response
	Reply     string
	NextAt    time.Time // zero once nothing more happens
	ExpiresAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

const webhookDeliveryColumns = `id, webhook_id, event_id, event_type, order_id, user_id, body, state, attempts, status, reply,
	next_at, expires_at, created_at, updated_at`

func scanWebhookDelivery(row sqldb.Row) (WebhookDelivery, error) {
	var d WebhookDelivery
	var next *int64
	var expires, created, updated int64
	err := row.Scan(&d.ID, &d.WebhookID, &d.EventID, &d.EventType, &d.OrderID, &d.UserID, &d.Body, &d.State, &d.Attempts, &d.Status, &d.Reply,
		&next, &expires, &created, &updated)
	if next != nil {
		d.NextAt = sqldb.Time(*next)
	}
	d.ExpiresAt, d.CreatedAt, d.UpdatedAt = sqldb.Time(expires), sqldb.Time(created), sqldb.Time(updated)
	return d, err
}

// AddWebhookDeliveries queues deliveries, due at their CreatedAt. An event is sent to a
// webhook once; a second delivery is ignored.
func AddWebhookDeliveries(ctx context.Context, tx sqldb.Tx, deliveries []WebhookDelivery) error {
	rows := make([][]any, len(deliveries))
	for i, d := range deliveries {
		created := sqldb.Micros(d.CreatedAt)
		rows[i] = []any{
			d.ID, d.WebhookID, d.EventID, d.EventType, d.OrderID, d.UserID, d.Body, string(delivery.Queued),
			created, sqldb.Micros(d.CreatedAt.Add(webhook.MaxAge)), created, created,
		}
	}
	err := sqldb.InsertRows(ctx, tx, `INSERT INTO webhook_deliveries (id, webhook_id, event_id, event_type, order_id, user_id, body, state,
		next_at, expires_at, created_at, updated_at)`, rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("queue %d deliveries to webhooks: %w", len(deliveries), err)
	}
	return nil
}

// ClaimWebhookDeliveries leases up to limit due deliveries of a webhook until a time. One
// about an order waits for the earlier ones about it, if it is not older than
// webhook.OrderWait.
func ClaimWebhookDeliveries(ctx context.Context, tx sqldb.Tx, webhookID, leaseID string, now, until time.Time, limit int) ([]WebhookDelivery, error) {
	due, err := sqldb.All(ctx, tx, scanWebhookDelivery, "SELECT "+webhookDeliveryColumns+` FROM webhook_deliveries
		WHERE webhook_id = $1 AND next_at <= $2 AND (order_id = '' OR created_at <= $3 OR NOT EXISTS
			(SELECT 1 FROM webhook_deliveries e WHERE e.webhook_id = $1 AND e.next_at IS NOT NULL
				AND e.order_id = webhook_deliveries.order_id AND e.event_id < webhook_deliveries.event_id))
		ORDER BY next_at LIMIT $4`+tx.SkipLocked(),
		webhookID, sqldb.Micros(now), sqldb.Micros(now.Add(-webhook.OrderWait)), limit)
	if err != nil {
		return nil, fmt.Errorf("find due deliveries of webhook %s: %w", webhookID, err)
	}
	ids := make([]any, len(due))
	for i := range due {
		ids[i] = due[i].ID
		due[i].Attempts++
	}
	_, err = sqldb.In(ctx, tx, "UPDATE webhook_deliveries SET state = 'sending', lease = $1, next_at = $2, attempts = attempts + 1 WHERE id",
		[]any{leaseID, sqldb.Micros(until)}, ids, "", nil)
	if err != nil {
		return nil, fmt.Errorf("lease %d deliveries to webhooks: %w", len(due), err)
	}
	return due, nil
}

// SettleWebhookDelivery stores the outcome of a leased delivery, with its attempt. It
// reports whether the lease is still held; otherwise it changes nothing.
func SettleWebhookDelivery(ctx context.Context, tx sqldb.Tx, leaseID string, d WebhookDelivery, took time.Duration, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET state = $3, status = $4, reply = $5, next_at = $6, updated_at = $7, lease = ''
		WHERE id = $1 AND lease = $2`, d.ID, leaseID, string(d.State), d.Status, d.Reply, microsOrNull(d.NextAt), sqldb.Micros(now))
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO webhook_attempts (delivery_id, n, state, status, reply, took, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, d.ID, d.Attempts, string(d.State), d.Status, d.Reply, took.Microseconds(), sqldb.Micros(now))
	return err == nil, err
}

// MarkWebhook records whether the last attempt at a webhook succeeded.
func MarkWebhook(ctx context.Context, tx sqldb.Tx, id string, succeeded bool, now time.Time) error {
	if succeeded {
		_, err := tx.Exec(ctx, "UPDATE webhooks SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL", id)
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE webhooks SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL", id, sqldb.Micros(now))
	return err
}

// WebhookFilter selects deliveries to webhooks. An empty field selects all.
type WebhookFilter struct {
	WebhookID string
	OrderID   string
	State     delivery.State
	EventType string
	Before    string // the id of a delivery: only older ones
}

// WebhookDeliveries returns up to limit deliveries, newest first.
func WebhookDeliveries(ctx context.Context, q sqldb.Querier, f WebhookFilter, limit int) ([]WebhookDelivery, error) {
	c := conditions{args: []any{limit}}
	c.and("webhook_id =", f.WebhookID)
	c.and("order_id =", f.OrderID)
	c.and("state =", string(f.State))
	c.and("event_type =", f.EventType)
	c.and("id <", f.Before)
	list, err := sqldb.All(ctx, q, scanWebhookDelivery,
		"SELECT "+webhookDeliveryColumns+" FROM webhook_deliveries WHERE TRUE"+c.where+" ORDER BY id DESC LIMIT $1", c.args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries to webhooks: %w", err)
	}
	return list, nil
}

// FindWebhookDelivery returns a delivery to a webhook, and false if there is none.
func FindWebhookDelivery(ctx context.Context, q sqldb.Querier, id string) (WebhookDelivery, bool, error) {
	d, err := scanWebhookDelivery(q.QueryRow(ctx, "SELECT "+webhookDeliveryColumns+" FROM webhook_deliveries WHERE id = $1", id))
	if errors.Is(err, sqldb.ErrNoRows) {
		return WebhookDelivery{}, false, nil
	}
	return d, err == nil, err
}

// WebhookAttempt is one attempt to send an event to a webhook.
type WebhookAttempt struct {
	N       int // from 1
	State   delivery.State
	Status  int // 0: no response
	Reply   string
	Took    time.Duration
	EndedAt time.Time
}

// WebhookAttempts returns the attempts of a delivery, oldest first.
func WebhookAttempts(ctx context.Context, q sqldb.Querier, deliveryID string) ([]WebhookAttempt, error) {
	return sqldb.All(ctx, q, func(row sqldb.Row) (WebhookAttempt, error) {
		var a WebhookAttempt
		var took, ended int64
		err := row.Scan(&a.N, &a.State, &a.Status, &a.Reply, &took, &ended)
		a.Took, a.EndedAt = time.Duration(took)*time.Microsecond, sqldb.Time(ended)
		return a, err
	}, "SELECT n, state, status, reply, took, ended_at FROM webhook_attempts WHERE delivery_id = $1 ORDER BY n", deliveryID)
}

// ReplayWebhookDelivery queues a delivery that has ended again, and reports whether it
// could: not if it still waits, or if its body was erased.
func ReplayWebhookDelivery(ctx context.Context, tx sqldb.Tx, id string, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET state = 'queued', next_at = $2, expires_at = $3, updated_at = $2
		WHERE id = $1 AND next_at IS NULL AND body <> ''`, id, sqldb.Micros(now), sqldb.Micros(now.Add(webhook.MaxAge)))
	return n == 1, err
}

// ReplayFailedWebhookDeliveries queues up to limit deliveries of a webhook again that have
// failed for good, and returns how many.
func ReplayFailedWebhookDeliveries(ctx context.Context, tx sqldb.Tx, webhookID string, now time.Time, limit int) (int, error) {
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET state = 'queued', next_at = $2, expires_at = $3, updated_at = $2 WHERE id IN
		(SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND state IN ('expired', 'rejected') AND next_at IS NULL AND body <> '' LIMIT $4)`,
		webhookID, sqldb.Micros(now), sqldb.Micros(now.Add(webhook.MaxAge)), limit)
	return int(n), err
}

// ExpireWebhookDeliveries ends up to limit deliveries that have waited too long, for
// example because their webhook is disabled, and returns how many. An attempt that holds
// its lease is left alone.
func ExpireWebhookDeliveries(ctx context.Context, tx sqldb.Tx, now time.Time, limit int) (int, error) {
	n, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET state = 'expired', next_at = NULL, lease = '', updated_at = $1 WHERE id IN
		(SELECT id FROM webhook_deliveries WHERE next_at IS NOT NULL AND expires_at <= $1 AND (state <> 'sending' OR next_at <= $1) LIMIT $2)`, sqldb.Micros(now), limit)
	return int(n), err
}

// DeleteOldWebhookDeliveries deletes up to limit deliveries that have ended and were
// created before a time, and up to limit of webhooks that no longer exist, with their
// attempts. It returns how many it deleted.
func DeleteOldWebhookDeliveries(ctx context.Context, tx sqldb.Tx, before time.Time, limit int) (int, error) {
	ids, err := sqldb.All(ctx, tx, func(row sqldb.Row) (id any, err error) {
		var text string
		err = row.Scan(&text)
		return text, err
	}, `SELECT id FROM webhook_deliveries WHERE created_at < $1 AND next_at IS NULL
		OR NOT EXISTS (SELECT 1 FROM webhooks WHERE webhooks.id = webhook_deliveries.webhook_id) LIMIT $2`, sqldb.Micros(before), limit)
	if err != nil {
		return 0, fmt.Errorf("find old deliveries to webhooks: %w", err)
	}
	if _, err := sqldb.In(ctx, tx, "DELETE FROM webhook_attempts WHERE delivery_id", nil, ids, "", nil); err != nil {
		return 0, fmt.Errorf("delete old attempts at webhooks: %w", err)
	}
	n, err := sqldb.In(ctx, tx, "DELETE FROM webhook_deliveries WHERE id", nil, ids, "", nil)
	return int(n), err
}

// WebhookDeliveriesOfUser returns up to limit deliveries whose bodies name a user.
func WebhookDeliveriesOfUser(ctx context.Context, tx sqldb.Tx, userID string, limit int) ([]WebhookDelivery, error) {
	list, err := sqldb.All(ctx, tx, scanWebhookDelivery,
		"SELECT "+webhookDeliveryColumns+" FROM webhook_deliveries WHERE user_id = $1 AND user_id <> '' LIMIT $2"+tx.ForUpdate(), userID, limit)
	if err != nil {
		return nil, fmt.Errorf("find the deliveries to webhooks about %s: %w", userID, err)
	}
	return list, nil
}

// EraseWebhookDelivery replaces the body of a delivery and removes its user. Without a
// body a delivery that waits is dropped, and an attempt that runs has no outcome.
func EraseWebhookDelivery(ctx context.Context, tx sqldb.Tx, d WebhookDelivery, body string, now time.Time) error {
	state, next, reply := d.State, d.NextAt, ""
	if body == "" && !next.IsZero() {
		state, next, reply = delivery.Suppressed, time.Time{}, "the account was deleted"
	}
	_, err := tx.Exec(ctx, `UPDATE webhook_deliveries SET user_id = '', body = $2, state = $3, next_at = $4, reply = $5, updated_at = $6,
		lease = CASE WHEN $2 = '' THEN '' ELSE lease END WHERE id = $1`,
		d.ID, body, string(state), microsOrNull(next), reply, sqldb.Micros(now))
	if err == nil {
		_, err = tx.Exec(ctx, "UPDATE webhook_attempts SET reply = '' WHERE delivery_id = $1", d.ID)
	}
	if err != nil {
		return fmt.Errorf("erase the delivery %s to a webhook: %w", d.ID, err)
	}
	return nil
}
