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
	Target      string // the id of the push subscription
	content.Notice
	Lease     string // set only to add a delivery that is leased
	State     delivery.State
	Attempts  int
	Phase     delivery.Phase
	Reply     string           // how the last attempt ended
	About     delivery.Subject // what a refusal was about
	NextAt    time.Time        // zero once nothing more happens
	ExpiresAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

const deliveryColumns = "id, event_id, traceparent, channel, user_id, target, " + noticeColumns +
	", state, attempts, phase, reply, about, next_at, expires_at, created_at, updated_at"

func scanDelivery(row sqldb.Row) (Delivery, error) {
	var d Delivery
	var next *int64
	var expires, created, updated int64
	fields := append([]any{&d.ID, &d.EventID, &d.Traceparent, &d.Channel, &d.UserID, &d.Target}, noticeFields(&d.Notice)...)
	fields = append(fields, &d.State, &d.Attempts, &d.Phase, &d.Reply, &d.About, &next, &expires, &created, &updated)
	if err := row.Scan(fields...); err != nil {
		return Delivery{}, err
	}
	if next != nil {
		d.NextAt = sqldb.Time(*next)
	}
	d.ExpiresAt, d.CreatedAt, d.UpdatedAt = sqldb.Time(expires), sqldb.Time(created), sqldb.Time(updated)
	return d, nil
}

// AddDeliveries queues deliveries, due at their CreatedAt, or leased if they have a Lease:
// until NextAt, or without one until their row in delivery_leases ends it. Then their first
// attempt is counted. There is only one delivery for each combination of
// event, kind, channel, recipient and target; a second one is ignored. AddDeliveries
// returns the ids of those that it added.
func AddDeliveries(ctx context.Context, tx sqldb.Tx, deliveries []Delivery) (map[string]bool, error) {
	rows := make([][]any, len(deliveries))
	for i, d := range deliveries {
		created := sqldb.Micros(d.CreatedAt)
		state, attempts, due := delivery.Queued, 0, &created
		if d.Lease != "" {
			state, attempts, due = delivery.Sending, 1, microsOrNull(d.NextAt)
		}
		row := append([]any{d.ID, d.EventID, d.Traceparent, d.Channel, d.UserID, d.Target}, noticeValues(d.Notice)...)
		rows[i] = append(row, string(state), attempts, d.Lease, due, sqldb.Micros(d.CreatedAt.Add(delivery.MaxAge)), created, created)
	}
	added := make(map[string]bool, len(deliveries))
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO deliveries (id, event_id, traceparent, channel, user_id, target, "+noticeColumns+
		", state, attempts, lease, next_at, expires_at, created_at, updated_at)", rows, "ON CONFLICT DO NOTHING RETURNING id", addID(added))
	if err != nil {
		return nil, fmt.Errorf("queue %d deliveries: %w", len(deliveries), err)
	}
	return added, nil
}

// addID returns a function that adds the id in a row to a set.
func addID(to map[string]bool) func(sqldb.Row) error {
	return func(row sqldb.Row) error {
		var id string
		err := row.Scan(&id)
		to[id] = true
		return err
	}
}

// Claim leases up to limit due deliveries of a channel until a time, oldest first. A
// delivery whose last sender crashed after it began to send the final dot is returned
// with phase Dot; for all others a new attempt is counted. A mail about an order waits
// until those about earlier events of the order have ended, so that a customer reads in
// order what happened. A push waits only for one that is being sent to the same browser:
// it replaces those that failed.
func Claim(ctx context.Context, tx sqldb.Tx, channel, leaseID string, now, until time.Time, limit int) ([]Delivery, error) {
	due, err := sqldb.All(ctx, tx, scanDelivery, "SELECT "+deliveryColumns+` FROM deliveries
		WHERE next_at <= $1 AND channel = $2 AND (order_id = '' OR NOT EXISTS (SELECT 1 FROM deliveries earlier
			WHERE earlier.order_id = deliveries.order_id AND earlier.channel = deliveries.channel AND earlier.target = deliveries.target
			AND earlier.event_id < deliveries.event_id AND `+pending("earlier")+`
			AND (earlier.channel <> 'push' OR earlier.state = 'sending' AND earlier.next_at > $1)))
		ORDER BY next_at LIMIT $3`+tx.SkipLocked(), sqldb.Micros(now), channel, limit)
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
// lease until the time by which that has ended; see also EndDeliveryLeases. It reports
// whether the lease is still held.
func MarkDot(ctx context.Context, tx sqldb.Tx, id, leaseID string, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE deliveries SET phase = 'dot',
		next_at = CASE WHEN next_at IS NULL THEN next_at ELSE $3 END WHERE id = $1 AND lease = $2`, id, leaseID, sqldb.Micros(until))
	if err != nil {
		return false, fmt.Errorf("mark the dot of delivery %s: %w", id, err)
	}
	return n == 1, nil
}

// Settle stores the outcome of leased deliveries: State, Attempts, Reply, About, NextAt and
// ExpiresAt. It returns the ids of those whose lease is still held. It changes none of
// the others, because another sender has them now.
func Settle(ctx context.Context, tx sqldb.Tx, leaseID string, deliveries []Delivery, now time.Time) (map[string]bool, error) {
	held := make(map[string]bool, len(deliveries))
	addHeld := addID(held)
	var sent []any
	b := &sqldb.Batch{}
	for _, d := range deliveries {
		if d.State == delivery.Sent {
			sent = append(sent, d.ID)
			continue
		}
		b.Query(addHeld, `UPDATE deliveries SET state = $3, attempts = $4, reply = $5, about = $6, next_at = $7, expires_at = $8, updated_at = $9,
			lease = '', phase = '' WHERE id = $1 AND lease = $2 RETURNING id`,
			d.ID, leaseID, string(d.State), d.Attempts, d.Reply, string(d.About), microsOrNull(d.NextAt), sqldb.Micros(d.ExpiresAt), sqldb.Micros(now))
	}
	_, err := sqldb.In(ctx, tx, `UPDATE deliveries SET state = 'sent', reply = '', about = '', next_at = NULL, updated_at = $2, lease = '', phase = ''
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
	Channel string
	Kind    string
	UserID  string
	OrderID string
	State   delivery.State
	Before  string // the id of a delivery: only older ones
}

// Deliveries returns up to limit deliveries, newest first.
func Deliveries(ctx context.Context, q sqldb.Querier, f Filter, limit int) ([]Delivery, error) {
	c := conditions{args: []any{limit}}
	c.and("channel =", f.Channel)
	c.and("kind =", f.Kind)
	c.and("user_id =", f.UserID)
	c.and("order_id =", f.OrderID)
	c.and("state =", string(f.State))
	c.and("id <", f.Before)
	list, err := sqldb.All(ctx, q, scanDelivery,
		"SELECT "+deliveryColumns+" FROM deliveries WHERE TRUE"+c.where+" ORDER BY id DESC LIMIT $1", c.args...)
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
