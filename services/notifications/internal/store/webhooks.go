package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"troupe/platform/sqldb"
)

// Webhook is a subscription: the events of some types are sent to a URL.
type Webhook struct {
	ID             string
	URL            string
	Events         []string // types
	Description    string
	Secret         string
	PreviousSecret string // "" if there was none
	PreviousUntil  time.Time
	Enabled        bool
	Reason         string    // why it is disabled
	FailingSince   time.Time // zero if the last attempt succeeded
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Wants reports whether events of the type are sent to the webhook.
func (w Webhook) Wants(eventType string) bool {
	return w.Enabled && slices.Contains(w.Events, eventType)
}

// Secrets returns the secrets that sign a message at now.
func (w Webhook) Secrets(now time.Time) []string {
	if w.PreviousSecret == "" || !now.Before(w.PreviousUntil) {
		return []string{w.Secret}
	}
	return []string{w.Secret, w.PreviousSecret}
}

const webhookColumns = "id, url, events, description, secret, previous_secret, previous_until, enabled, reason, failing_since, created_at, updated_at"

func (w Webhook) row() ([]any, error) {
	types, err := json.Marshal(w.Events)
	if err != nil {
		return nil, err
	}
	until := int64(0)
	if !w.PreviousUntil.IsZero() {
		until = sqldb.Micros(w.PreviousUntil)
	}
	return []any{
		w.ID, w.URL, string(types), w.Description, w.Secret, w.PreviousSecret, until,
		w.Enabled, w.Reason, microsOrNull(w.FailingSince), sqldb.Micros(w.CreatedAt), sqldb.Micros(w.UpdatedAt),
	}, nil
}

func scanWebhook(row sqldb.Row) (Webhook, error) {
	var w Webhook
	var types string
	var until, created, updated int64
	var failing *int64
	err := row.Scan(&w.ID, &w.URL, &types, &w.Description, &w.Secret, &w.PreviousSecret, &until, &w.Enabled, &w.Reason, &failing, &created, &updated)
	if err != nil {
		return Webhook{}, err
	}
	if failing != nil {
		w.FailingSince = sqldb.Time(*failing)
	}
	w.PreviousUntil, w.CreatedAt, w.UpdatedAt = sqldb.Time(until), sqldb.Time(created), sqldb.Time(updated)
	return w, json.Unmarshal([]byte(types), &w.Events)
}

// SaveWebhook stores a new webhook, or the changes of one.
func SaveWebhook(ctx context.Context, tx sqldb.Tx, w Webhook) error {
	row, err := w.row()
	if err == nil {
		_, err = tx.Exec(ctx, "INSERT INTO webhooks ("+webhookColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (id) DO UPDATE SET url = excluded.url, events = excluded.events, description = excluded.description,
			secret = excluded.secret, previous_secret = excluded.previous_secret, previous_until = excluded.previous_until,
			enabled = excluded.enabled, reason = excluded.reason, failing_since = excluded.failing_since, updated_at = excluded.updated_at`, row...)
	}
	if err != nil {
		return fmt.Errorf("save webhook %s: %w", w.ID, err)
	}
	return nil
}

// CountWebhooks returns how many webhooks there are.
func CountWebhooks(ctx context.Context, q sqldb.Querier) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT COUNT(*) FROM webhooks").Scan(&n)
	return n, err
}

// LockWebhook returns a webhook and locks it until tx ends, and false if there is none.
func LockWebhook(ctx context.Context, tx sqldb.Tx, id string) (Webhook, bool, error) {
	return foundWebhook(tx.QueryRow(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE id = $1"+tx.ForUpdate(), id))
}

// FindWebhook returns a webhook, and false if there is none.
func FindWebhook(ctx context.Context, q sqldb.Querier, id string) (Webhook, bool, error) {
	return foundWebhook(q.QueryRow(ctx, "SELECT "+webhookColumns+" FROM webhooks WHERE id = $1", id))
}

func foundWebhook(row sqldb.Row) (Webhook, bool, error) {
	w, err := scanWebhook(row)
	if errors.Is(err, sqldb.ErrNoRows) {
		return Webhook{}, false, nil
	}
	return w, err == nil, err
}

// Webhooks returns up to limit webhooks that are older than the one with the id before, ""
// for all, newest first.
func Webhooks(ctx context.Context, q sqldb.Querier, before string, limit int) ([]Webhook, error) {
	list, err := sqldb.All(ctx, q, scanWebhook,
		"SELECT "+webhookColumns+" FROM webhooks WHERE $1 = '' OR id < $1 ORDER BY id DESC LIMIT $2", before, limit)
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return list, nil
}

// EnabledWebhooks returns all webhooks that are enabled.
func EnabledWebhooks(ctx context.Context, q sqldb.Querier) ([]Webhook, error) {
	list, err := sqldb.All(ctx, q, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE enabled")
	if err != nil {
		return nil, fmt.Errorf("list the enabled webhooks: %w", err)
	}
	return list, nil
}

// DueWebhooks returns the enabled webhooks for which a delivery is due.
func DueWebhooks(ctx context.Context, q sqldb.Querier, now time.Time) ([]Webhook, error) {
	list, err := sqldb.All(ctx, q, scanWebhook, "SELECT "+webhookColumns+` FROM webhooks WHERE enabled AND EXISTS
		(SELECT 1 FROM webhook_deliveries d WHERE d.webhook_id = webhooks.id AND d.next_at <= $1)`, sqldb.Micros(now))
	if err != nil {
		return nil, fmt.Errorf("find the webhooks with due deliveries: %w", err)
	}
	return list, nil
}

// DeleteWebhook deletes a webhook and reports whether there was one. Its deliveries are
// not sent any more, and DeleteOldWebhookDeliveries deletes them.
func DeleteWebhook(ctx context.Context, tx sqldb.Tx, id string) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM webhooks WHERE id = $1", id)
	if err != nil {
		return false, fmt.Errorf("delete webhook %s: %w", id, err)
	}
	return n == 1, nil
}
