package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

// Waiting is how many orders or entries there are, and since when there is the oldest.
type Waiting struct {
	Count int
	Since time.Time
}

// StuckOrders returns the orders that are neither paid nor cancelled, and to which nothing
// has happened since before.
func StuckOrders(ctx context.Context, q sqldb.Querier, before time.Time) (Waiting, error) {
	return waiting(ctx, q, "SELECT count(*), coalesce(min(updated_at), 0) FROM orders WHERE status IN ('pending', 'confirmed') AND updated_at < $1",
		sqldb.Micros(before))
}

// CountOrders returns how many orders are kept.
func CountOrders(ctx context.Context, q sqldb.Querier) (int, error) {
	w, err := waiting(ctx, q, "SELECT count(*), coalesce(min(started_at), 0) FROM orders")
	return w.Count, err
}

// EventsSince returns the entries of the events of a type that were published since then.
func EventsSince(ctx context.Context, q sqldb.Querier, eventType string, since time.Time) (Waiting, error) {
	return waiting(ctx, q, "SELECT count(*), coalesce(min(at), 0) FROM entries WHERE kind = 'published' AND type = $1 AND at >= $2",
		eventType, sqldb.Micros(since))
}

func waiting(ctx context.Context, q sqldb.Querier, statement string, args ...any) (w Waiting, err error) {
	var since int64
	if err := q.QueryRow(ctx, statement, args...).Scan(&w.Count, &since); err != nil {
		return Waiting{}, fmt.Errorf("count what waits: %w", err)
	}
	if w.Count > 0 {
		w.Since = time.UnixMicro(since).UTC()
	}
	return w, nil
}
