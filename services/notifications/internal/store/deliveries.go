package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/message"
)

// Delivery is one message to one customer over one channel.
type Delivery struct {
	ID          string
	EventID     string
	Traceparent string // of the event
	Channel     string
	UserID      string
	message.Notice
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
	into := append([]any{&d.ID, &d.EventID, &d.Traceparent, &d.Channel, &d.UserID}, noticeInto(&d.Notice)...)
	into = append(into, &d.State, &d.Attempts, &d.Phase, &d.Reply, &next, &expires, &created, &updated)
	if err := row.Scan(into...); err != nil {
		return Delivery{}, err
	}
	if next != nil {
		d.NextAt = sqldb.Time(*next)
	}
	d.ExpiresAt, d.CreatedAt, d.UpdatedAt = sqldb.Time(expires), sqldb.Time(created), sqldb.Time(updated)
	return d, nil
}

// AddDeliveries queues deliveries, due at their CreatedAt; of an event, a kind, a
// channel and a recipient there is only ever one.
func AddDeliveries(ctx context.Context, tx sqldb.Tx, deliveries []Delivery) error {
	rows := make([][]any, len(deliveries))
	for i, d := range deliveries {
		created := sqldb.Micros(d.CreatedAt)
		row := append([]any{d.ID, d.EventID, d.Traceparent, d.Channel, d.UserID}, noticeArgs(d.Notice)...)
		rows[i] = append(row, string(delivery.Queued), created, sqldb.Micros(d.CreatedAt.Add(delivery.MaxAge)), created, created)
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO deliveries (id, event_id, traceparent, channel, user_id, "+noticeColumns+
		", state, next_at, expires_at, created_at, updated_at)", rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("queue %d deliveries: %w", len(deliveries), err)
	}
	return nil
}

// Claim leases up to limit due deliveries of a channel to the holder of lease,
// oldest first. One whose last sender vanished after the final dot comes with
// phase Dot; all others begin a new attempt.
func Claim(ctx context.Context, tx sqldb.Tx, channel, lease string, now, until time.Time, limit int) ([]Delivery, error) {
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
		attempts = attempts + CASE WHEN phase = 'dot' THEN 0 ELSE 1 END WHERE id`, []any{lease, sqldb.Micros(until)}, ids, "", nil)
	if err != nil {
		return nil, fmt.Errorf("lease %d deliveries: %w", len(due), err)
	}
	return due, nil
}

// MarkDot notes that the final dot of a delivery is about to be sent, and keeps
// the lease for as long as that can take. False if the lease was lost.
func MarkDot(ctx context.Context, tx sqldb.Tx, id, lease string, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE deliveries SET phase = 'dot', next_at = $3 WHERE id = $1 AND lease = $2", id, lease, sqldb.Micros(until))
	if err != nil {
		return false, fmt.Errorf("mark the dot of delivery %s: %w", id, err)
	}
	return n == 1, nil
}

// Settle records how the leased deliveries stand now: State, Attempts, Reply,
// NextAt and ExpiresAt. It gives the ids of those whose lease still held; of the
// others somebody else decides.
func Settle(ctx context.Context, tx sqldb.Tx, lease string, deliveries []Delivery, now time.Time) (map[string]bool, error) {
	held := make(map[string]bool, len(deliveries))
	note := func(row sqldb.Row) error {
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
		b.Query(note, `UPDATE deliveries SET state = $3, attempts = $4, reply = $5, next_at = $6, expires_at = $7, updated_at = $8, lease = '', phase = ''
			WHERE id = $1 AND lease = $2 RETURNING id`,
			d.ID, lease, string(d.State), d.Attempts, d.Reply, microsOrNull(d.NextAt), sqldb.Micros(d.ExpiresAt), sqldb.Micros(now))
	}
	_, err := sqldb.In(ctx, tx, `UPDATE deliveries SET state = 'sent', reply = '', next_at = NULL, updated_at = $2, lease = '', phase = ''
		WHERE lease = $1 AND id`, []any{lease, sqldb.Micros(now)}, sent, "RETURNING id", note)
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

// Filter says which deliveries are wanted; empty fields want all.
type Filter struct {
	OrderID string
	State   delivery.State
	Before  string // only those older than this one
}

// Deliveries lists deliveries, newest first.
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

// FindDelivery gives a delivery; false if there is none.
func FindDelivery(ctx context.Context, q sqldb.Querier, id string) (Delivery, bool, error) {
	d, err := scanDelivery(q.QueryRow(ctx, "SELECT "+deliveryColumns+" FROM deliveries WHERE id = $1", id))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Delivery{}, false, nil
	}
	return d, err == nil, err
}

// Retry queues a delivery that is in state, with a new term. False if it is not any more.
func Retry(ctx context.Context, tx sqldb.Tx, id string, state delivery.State, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE deliveries SET state = 'queued', next_at = $3, expires_at = $4, updated_at = $3 WHERE id = $1 AND state = $2",
		id, string(state), sqldb.Micros(now), sqldb.Micros(now.Add(delivery.MaxAge)))
	if err != nil {
		return false, fmt.Errorf("retry delivery %s: %w", id, err)
	}
	return n == 1, nil
}
