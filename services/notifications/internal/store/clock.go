package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

// farAhead is further ahead than any wait of a right clock.
const farAhead = 48 * time.Hour

// WakeFarAhead makes due what was put off to a time that was stored while the clock was
// ahead: otherwise mails, notices and webhooks would come after years.
func WakeFarAhead(ctx context.Context, tx sqldb.Tx, now time.Time) error {
	at, limit := sqldb.Micros(now), sqldb.Micros(now.Add(farAhead))
	b := &sqldb.Batch{}
	b.Exec(nil, "UPDATE deliveries SET next_at = $1 WHERE next_at > $2", at, limit)
	b.Exec(nil, "UPDATE delivery_leases SET ends_at = $1 WHERE ends_at > $2", at, limit)
	b.Exec(nil, "UPDATE webhook_deliveries SET next_at = $1 WHERE next_at > $2", at, limit)
	b.Exec(nil, "UPDATE held_notices SET due_at = $1 WHERE digest = '' AND due_at > $2", at, limit)
	if err := tx.Run(ctx, b); err != nil {
		return fmt.Errorf("wake what is due far ahead: %w", err)
	}
	return nil
}
