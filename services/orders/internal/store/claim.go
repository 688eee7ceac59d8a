package store

import (
	"context"
	"strings"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// ClaimSize is the largest number of orders in a claim.
const ClaimSize = 256

// ClaimRecorded locks and returns a batch of orders with recorded events that have not
// been applied. It skips orders that another transaction has locked, and events of types
// that are not known here: a newer version has recorded them and will apply them. The
// batch size is part of the SQL text, so that the query planner knows it.
func ClaimRecorded(ctx context.Context, tx sqldb.Tx, known EventTypes) ([]*order.Order, error) {
	return sqldb.All(ctx, tx, scanChanging, "SELECT "+changing+` FROM orders WHERE id IN
		(SELECT order_id FROM order_timeline WHERE pending AND what IN `+string(known)+` ORDER BY order_id LIMIT 256)`+tx.SkipLocked())
}

// EventTypes is a list of event types as SQL text.
type EventTypes string

// NewEventTypes returns the list of these types.
func NewEventTypes(types ...string) EventTypes {
	quoted := make([]string, len(types))
	for i, t := range types {
		quoted[i] = "'" + strings.ReplaceAll(t, "'", "''") + "'"
	}
	return EventTypes("(" + strings.Join(quoted, ", ") + ")")
}

// ClaimOverdue locks and returns a batch of pending orders whose deadline is one of those
// up to passed. It skips orders that another transaction has locked.
func ClaimOverdue(ctx context.Context, tx sqldb.Tx, passed time.Time) ([]*order.Order, error) {
	return sqldb.All(ctx, tx, scanChanging, "SELECT "+changing+` FROM orders WHERE finished_as = '' AND status = 'pending' AND deadline_at <= $1
		ORDER BY deadline_at LIMIT 256`+tx.SkipLocked(), sqldb.Micros(passed))
}
