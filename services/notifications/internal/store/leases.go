package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

// DeliveryLease is the lease of deliveries that a replica has leased as it queued them.
type DeliveryLease struct {
	ID         string
	Lease      string // as in the deliveries
	Deliveries []string
	EndsAt     time.Time
}

// AddDeliveryLeases stores leases.
func AddDeliveryLeases(ctx context.Context, tx sqldb.Tx, leases []DeliveryLease) error {
	rows := make([][]any, len(leases))
	for i, l := range leases {
		ids, err := json.Marshal(l.Deliveries)
		if err != nil {
			return fmt.Errorf("encode the deliveries of a lease: %w", err)
		}
		rows[i] = []any{l.ID, l.Lease, string(ids), sqldb.Micros(l.EndsAt)}
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO delivery_leases (id, lease, deliveries, ends_at)", rows, "", nil); err != nil {
		return fmt.Errorf("lease deliveries: %w", err)
	}
	return nil
}

// DropDeliveryLeases deletes the leases of deliveries that have their outcomes.
func DropDeliveryLeases(ctx context.Context, tx sqldb.Tx, ids []string) error {
	if _, err := sqldb.In(ctx, tx, "DELETE FROM delivery_leases WHERE id", nil, distinct(ids), "", nil); err != nil {
		return fmt.Errorf("drop %d leases: %w", len(ids), err)
	}
	return nil
}

// EndDeliveryLeases makes the deliveries of up to limit leases due that have ended, and
// returns how many leases there were. One whose final dot may still be on its way is due
// at dotEnds.
func EndDeliveryLeases(ctx context.Context, tx sqldb.Tx, now, dotEnds time.Time, limit int) (int, error) {
	ended, err := sqldb.All(ctx, tx, func(row sqldb.Row) (l DeliveryLease, err error) {
		var ids string
		if err := row.Scan(&l.ID, &l.Lease, &ids); err != nil {
			return l, err
		}
		return l, json.Unmarshal([]byte(ids), &l.Deliveries)
	}, "SELECT id, lease, deliveries FROM delivery_leases WHERE ends_at <= $1 ORDER BY id LIMIT $2"+tx.SkipLocked(), sqldb.Micros(now), limit)
	if err != nil {
		return 0, fmt.Errorf("read the leases that have ended: %w", err)
	}
	ids := make([]string, len(ended))
	for i, l := range ended {
		ids[i] = l.ID
		_, err := sqldb.In(ctx, tx, `UPDATE deliveries SET next_at = CASE WHEN phase = 'dot' THEN CAST($2 AS BIGINT) ELSE CAST($3 AS BIGINT) END
			WHERE lease = $1 AND next_at IS NULL AND id`, []any{l.Lease, sqldb.Micros(dotEnds), sqldb.Micros(now)}, distinct(l.Deliveries), "", nil)
		if err != nil {
			return 0, fmt.Errorf("take back leased deliveries: %w", err)
		}
	}
	return len(ended), DropDeliveryLeases(ctx, tx, ids)
}

// EarlierMails returns, by the ids of mails, those about earlier events of the same orders
// that have not ended.
func EarlierMails(ctx context.Context, q sqldb.Querier, ids []string) (map[string][]string, error) {
	earlier := map[string][]string{}
	_, err := sqldb.In(ctx, q, `SELECT d.id, e.id FROM deliveries d JOIN deliveries e
		ON e.order_id = d.order_id AND e.channel = d.channel AND e.target = d.target AND e.event_id < d.event_id
		WHERE `+pending("e")+" AND d.id", nil, distinct(ids), "", func(row sqldb.Row) error {
		var id, other string
		err := row.Scan(&id, &other)
		earlier[id] = append(earlier[id], other)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for earlier mails: %w", err)
	}
	return earlier, nil
}

// pending returns the condition that a delivery has not ended.
func pending(table string) string {
	return "(" + table + ".next_at IS NOT NULL OR " + table + ".state = 'sending')"
}
