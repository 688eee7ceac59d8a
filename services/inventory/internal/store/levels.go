package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/inventory/internal/stock"
)

// LockStock makes tx the only transaction that changes stock until it ends, on all
// replicas.
//
// The obvious choice is a lock per product, taken in the order of the SKUs. But the
// products of an order are known only when its reservation is read, and that must not
// change any more by then. Popular products make the replicas queue up anyway; a batch
// takes milliseconds, however many orders are in it.
func LockStock(ctx context.Context, tx sqldb.Tx) error {
	if tx.SkipLocked() == "" {
		return nil // this database has only one writer
	}
	if err := tx.QueryRow(ctx, "SELECT taken FROM stock_turn"+tx.ForUpdate()).Scan(new(int64)); err != nil {
		return fmt.Errorf("lock stock: %w", err)
	}
	return nil
}

// Levels loads the stock levels of products, without those that do not exist. A
// transaction that changes them calls LockStock first.
func Levels(ctx context.Context, q sqldb.Querier, skus []string) (*stock.Levels, error) {
	values := make([]any, 0, len(skus))
	for _, sku := range slices.Compact(slices.Sorted(slices.Values(skus))) {
		values = append(values, sku)
	}
	var levels []stock.Level
	_, err := sqldb.In(ctx, q, "SELECT sku, stocked, available, held, committed, version FROM stock WHERE sku", nil, values, "",
		func(row sqldb.Row) error {
			var l stock.Level
			err := row.Scan(&l.SKU, &l.Stocked, &l.Available, &l.Held, &l.Committed, &l.Version)
			levels = append(levels, l)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("load stock: %w", err)
	}
	return stock.NewLevels(levels...), nil
}

// SaveLevels stores levels, whose versions are one higher than the stored ones. It
// fails with ErrLostRace if a stored level has another version.
func SaveLevels(ctx context.Context, tx sqldb.Tx, levels ...stock.Level) error {
	if len(levels) == 0 {
		return nil
	}
	var b sqldb.Batch
	for _, l := range levels {
		b.Exec(touchedOne,
			"UPDATE stock SET stocked = $1, available = $2, held = $3, committed = $4, version = $5 WHERE sku = $6 AND version = $7",
			l.Stocked, l.Available, l.Held, l.Committed, l.Version, l.SKU, l.Version-1)
	}
	if err := tx.Run(ctx, &b); err != nil {
		return fmt.Errorf("save stock: %w", err)
	}
	return nil
}

// Movement is one change of the total stock of a product, with its reason.
type Movement struct {
	ID, SKU string
	Delta   int64
	Reason  string
	ByID    string // the admin's user id; empty for the demo catalogue
	At      time.Time
}

// InsertMovement adds m to the ledger of movements.
func InsertMovement(ctx context.Context, tx sqldb.Tx, m Movement) error {
	_, err := tx.Exec(ctx, "INSERT INTO stock_movements (id, sku, delta, reason, by_id, at) VALUES ($1, $2, $3, $4, $5, $6)",
		m.ID, m.SKU, m.Delta, m.Reason, m.ByID, sqldb.Micros(m.At))
	if err != nil {
		return fmt.Errorf("insert stock movement: %w", err)
	}
	return nil
}
