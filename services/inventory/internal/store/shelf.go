package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/inventory/internal/stock"
)

// LockShelf loads the levels of products and keeps everybody else from changing
// them until tx ends. Products that do not exist are left out.
//
// The lock is an UPDATE that changes nothing, the one way to lock a row that both
// databases take. Always in the order of the SKUs, so that two replicas that
// want the same products queue up and do not deadlock.
func LockShelf(ctx context.Context, tx sqldb.Tx, skus []string) (*stock.Shelf, error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(skus)))
	var levels []stock.Level
	var locks sqldb.Batch
	for _, sku := range sorted {
		locks.Query(func(row sqldb.Row) error {
			l := stock.Level{SKU: sku}
			err := row.Scan(&l.Stocked, &l.Available, &l.Held, &l.Committed, &l.Version)
			levels = append(levels, l)
			return err
		}, "UPDATE stock SET version = version WHERE sku = $1 RETURNING stocked, available, held, committed, version", sku)
	}
	if locks.Len() == 0 {
		return stock.NewShelf(), nil
	}
	if err := tx.Run(ctx, &locks); err != nil {
		return nil, fmt.Errorf("lock stock: %w", err)
	}
	return stock.NewShelf(levels...), nil
}

// SaveLevels stores what changed on a shelf that LockShelf gave.
func SaveLevels(ctx context.Context, tx sqldb.Tx, changes ...stock.Level) error {
	if len(changes) == 0 {
		return nil
	}
	var b sqldb.Batch
	for _, l := range changes {
		b.Exec(touchedOne,
			"UPDATE stock SET stocked = $1, available = $2, held = $3, committed = $4, version = $5 WHERE sku = $6 AND version = $7",
			l.Stocked, l.Available, l.Held, l.Committed, l.Version, l.SKU, l.Version-1)
	}
	if err := tx.Run(ctx, &b); err != nil {
		return fmt.Errorf("save stock: %w", err)
	}
	return nil
}

// Movement is one change of how many there are of a product, and why.
type Movement struct {
	ID, SKU string
	Delta   int64
	Reason  string
	ByID    string // the admin; empty if nobody in particular
	At      time.Time
}

// InsertMovement adds to the ledger.
func InsertMovement(ctx context.Context, tx sqldb.Tx, m Movement) error {
	_, err := tx.Exec(ctx, "INSERT INTO stock_movements (id, sku, delta, reason, by_id, at) VALUES ($1, $2, $3, $4, $5, $6)",
		m.ID, m.SKU, m.Delta, m.Reason, m.ByID, sqldb.Micros(m.At))
	if err != nil {
		return fmt.Errorf("insert stock movement: %w", err)
	}
	return nil
}
