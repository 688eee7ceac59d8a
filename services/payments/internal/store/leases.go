package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
)

// Lease is the lease of operations that a transaction has claimed together. It is kept in
// a row of its own, so that neither the claim nor the outcome changes an index of the large
// table of payments.
type Lease struct {
	ID       string
	OrderIDs []string
	EndsAt   time.Time
}

// AddLeases stores leases.
func AddLeases(ctx context.Context, tx sqldb.Tx, leases []Lease) error {
	rows := make([][]any, len(leases))
	for i, l := range leases {
		ids, err := json.Marshal(l.OrderIDs)
		if err != nil {
			return fmt.Errorf("encode the orders of a lease: %w", err)
		}
		rows[i] = []any{l.ID, string(ids), sqldb.Micros(l.EndsAt)}
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO payment_leases (id, order_ids, ends_at)", rows, "", nil); err != nil {
		return fmt.Errorf("store %d leases: %w", len(leases), err)
	}
	return nil
}

// DropLeases deletes leases. A transaction that also locks payments calls it first, because
// Ended locks leases first.
func DropLeases(ctx context.Context, tx sqldb.Tx, ids []string) error {
	if _, err := sqldb.In(ctx, tx, "DELETE FROM payment_leases WHERE id", nil, sqldb.Values(ids), "", nil); err != nil {
		return fmt.Errorf("drop %d leases: %w", len(ids), err)
	}
	return nil
}

// Ended deletes up to limit leases that have ended. It returns the payments whose open
// operations were claimed under one of them and have no outcome, and locks them.
func Ended(ctx context.Context, tx sqldb.Tx, now time.Time, limit int) ([]*payment.Payment, error) {
	leases, err := sqldb.All(ctx, tx, scanLease,
		"SELECT id, order_ids FROM payment_leases WHERE ends_at <= $1 ORDER BY id LIMIT $2"+tx.SkipLocked(), sqldb.Micros(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find leases that have ended: %w", err)
	}
	var ids, orderIDs []string
	ended := map[string]bool{}
	for _, l := range leases {
		ids, orderIDs, ended[l.ID] = append(ids, l.ID), append(orderIDs, l.OrderIDs...), true
	}
	if err := DropLeases(ctx, tx, ids); err != nil {
		return nil, err
	}
	payments, err := LockOrders(ctx, tx, orderIDs)
	if err != nil {
		return nil, err
	}
	var open []*payment.Payment
	for _, id := range slices.Compact(slices.Sorted(slices.Values(orderIDs))) {
		if p := payments[id]; p != nil && p.Open() != nil && ended[p.Open().Lease] {
			open = append(open, p)
		}
	}
	return open, nil
}

func scanLease(row sqldb.Row) (l Lease, err error) {
	var ids string
	if err := row.Scan(&l.ID, &ids); err != nil {
		return l, err
	}
	return l, json.Unmarshal([]byte(ids), &l.OrderIDs)
}
