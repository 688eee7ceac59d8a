package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
)

// Delivery is one message to one customer over one channel.
type Delivery struct {
	ID          string
	EventID     string
	Traceparent string // of the event
	Channel     string
	UserID      string
	content.Notice
	State     delivery.State
	Attempts  int
	Phase     delivery.Phase
	Reply     string    // how the last attempt ended
	NextAt    time.Time // zero once nothing more happens
	ExpiresAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

const deliveryColumns = "id, event_id, traceparent, channel, user_id, " + noticeColumns +
	", state, attempts, phase, reply, next_at, expires_at, created_at, updated_at"

func scanDelivery(row sqldb.Row) (Delivery, error) {
	var d Delivery
	var next *int64
	var expires, created, updated int64
	fields := append([]any{&d.ID, &d.EventID, &d.Traceparent, &d.Channel, &d.UserID}, noticeFields(&d.Notice)...)
	fields = append(fields, &d.State, &d.Attempts, &d.Phase, &d.Reply, &next, &expires, &created, &updated)
	if err := row.Scan(fields...); err != nil {
		return Delivery{}, err
	}
	if next != nil {
		d.NextAt = sqldb.Time(*next)
	}
	d.ExpiresAt, d.CreatedAt, d.UpdatedAt = sqldb.Time(expires), sqldb.Time(created), sqldb.Time(updated)
	return d, nil
}

// AddDeliveries queues deliveries, due at their CreatedAt. There is only one delivery
// for each combination of event, kind, channel and recipient; a second one is ignored.
func AddDeliveries(ctx context.Context, tx sqldb.Tx, deliveries []Delivery) error {
	rows := make([][]any, len(deliveries))
	for i, d := range deliveries {
		created := sqldb.Micros(d.CreatedAt)
		row := append([]any{d.ID, d.EventID, d.Traceparent, d.Channel, d.UserID}, noticeValues(d.Notice)...)
		rows[i] = append(row, string(delivery.Queued), created, sqldb.Micros(d.CreatedAt.Add(delivery.MaxAge)), created, created)
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO deliveries (id, event_id, traceparent, channel, user_id, "+noticeColumns+
		", state, next_at, expires_at, created_at, updated_at)", rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("queue %d deliveries: %w", len(deliveries), err)
	}
	return nil
}

// Claim leases up to limit due deliveries of a channel until a time, oldest first. A
// delivery whose last sender crashed after it began to send the final dot is returned
// with phase Dot; for all others a new attempt is counted.
func Claim(ctx context.Context, tx sqldb.Tx, channel, leaseID string, now, until time.Time, limit int) ([]Delivery, error) {
	due, err := sqldb.All(ctx, tx, scanDelivery, "SELECT "+deliveryColumns+
		" FROM deliveries WHERE next_at <= $1 AND channel = $2 ORDER BY next_at LIMIT $3"+tx.SkipLocked(), sqldb.Micros(now), channel, limit)
	if err != nil {
		return nil, fmt.Errorf("find due deliveries: %w", err)
	}
	ids := make([]any, len(due))
	for i := range due {
		ids[i] = due[i].ID
		if due[i].Phase != delivery.Dot {
			due[i].Attempts++
		}
	}
	_, err = sqldb.In(ctx, tx, `UPDATE deliveries SET state = 'sending', lease = $1, next_at = $2,
		attempts = attempts + CASE WHEN phase = 'dot' THEN 0 ELSE 1 END WHERE id`, []any{leaseID, sqldb.Micros(until)}, ids, "", nil)
	if err != nil {
		return nil, fmt.Errorf("lease %d deliveries: %w", len(due), err)
	}
	return due, nil
}

// MarkDot records that the final dot of a delivery is about to be sent, and extends the
// lease until the time by which that has ended. It reports whether the lease is still
// held.
func MarkDot(ctx context.Context, tx sqldb.Tx, id, leaseID string, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE deliveries SET phase = 'dot', next_at = $3 WHERE id = $1 AND lease = $2", id, leaseID, sqldb.Micros(until))
	if err != nil {
		return false, fmt.Errorf("mark the dot of delivery %s: %w", id, err)
	}
	return n == 1, nil
}

// Settle stores the outcome of leased deliveries: State, Attempts, Reply, NextAt and
// ExpiresAt. It returns the ids of those whose lease is still held. It changes none of
// the others, because another sender has them now.
func Settle(ctx context.Context, tx sqldb.Tx, leaseID string, deliveries []Delivery, now time.Time) (map[string]bool, error) {
	held := make(map[string]bool, len(deliveries))
	addHeld := func(row sqldb.Row) error {
		var id string
		err := row.Scan(&id)
		held[id] = true
		return err
	}
	var sent []any
	b := &sqldb.Batch{}
	for _, d := range deliveries {
		if d.State == delivery.Sent {
			sent = append(sent, d.ID)
			continue
		}
		b.Query(addHeld, `UPDATE deliveries SET state = $3, attempts = $4, reply = $5, next_at = $6, expires_at = $7, updated_at = $8, lease = '', phase = ''
			WHERE id = $1 AND lease = $2 RETURNING id`,
			d.ID, leaseID, string(d.State), d.Attempts, d.Reply, microsOrNull(d.NextAt), sqldb.Micros(d.ExpiresAt), sqldb.Micros(now))
	}
	_, err := sqldb.In(ctx, tx, `UPDATE deliveries SET state = 'sent', reply = '', next_at = NULL, updated_at = $2, lease = '', phase = ''
		WHERE lease = $1 AND id`, []any{leaseID, sqldb.Micros(now)}, sent, "RETURNING id", addHeld)
	if err == nil && b.Len() > 0 {
		err = tx.Run(ctx, b)
	}
	if err != nil {
		return nil, fmt.Errorf("settle %d deliveries: %w", len(deliveries), err)
	}
	return held, nil
}

func microsOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	micros := sqldb.Micros(t)
	return &micros
}

// Filter selects deliveries. An empty field selects all.
type Filter struct {
	OrderID string
	State   delivery.State
	Before  string // the id of a delivery: only older ones
}

// Deliveries returns up to limit deliveries, newest first.
func Deliveries(ctx context.Context, q sqldb.Querier, f Filter, limit int) ([]Delivery, error) {
	where, args := "TRUE", []any{limit}
	and := func(condition, value string) {
		if value != "" {
			args = append(args, value)
			where += fmt.Sprintf(" AND %s $%d", condition, len(args))
		}
	}
	and("order_id =", f.OrderID)
	and("state =", string(f.State))
	and("id <", f.Before)
	list, err := sqldb.All(ctx, q, scanDelivery,
		"SELECT "+deliveryColumns+" FROM deliveries WHERE "+where+" ORDER BY id DESC LIMIT $1", args...)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return list, nil
}

// FindDelivery returns a delivery, and false if there is none.
func FindDelivery(ctx context.Context, q sqldb.Querier, id string) (Delivery, bool, error) {
	d, err := scanDelivery(q.QueryRow(ctx, "SELECT "+deliveryColumns+" FROM deliveries WHERE id = $1", id))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Delivery{}, false, nil
	}
	return d, err == nil, err
}

// Retry queues a delivery again if it is in state, and starts its MaxAge again. It
// reports whether the delivery was in that state.
func Retry(ctx context.Context, tx sqldb.Tx, id string, state delivery.State, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE deliveries SET state = 'queued', next_at = $3, expires_at = $4, updated_at = $3 WHERE id = $1 AND state = $2",
		id, string(state), sqldb.Micros(now), sqldb.Micros(now.Add(delivery.MaxAge)))
	if err != nil {
		return false, fmt.Errorf("retry delivery %s: %w", id, err)
	}
	return n == 1, nil
}
