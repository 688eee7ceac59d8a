package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

const (
	// perOrder is how many entries are kept for each order that is kept, on average.
	perOrder = 64
	// pruned is how many rows one step of the retention deletes.
	pruned = 500
)

// Prune deletes what is older than before, the orders beyond the newest `most` with their
// entries, and what exceeds the room for entries: a bounded number of rows, which it returns.
func Prune(ctx context.Context, db sqldb.DB, before time.Time, most int64) (int, error) {
	total := int64(0)
	err := db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		total = 0
		surplus, err := startOfSurplus(ctx, tx, most)
		if err != nil {
			return err
		}
		oldest := max(sqldb.Micros(before), surplus)
		for _, statement := range []string{
			"DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE started_at <= $1 ORDER BY started_at LIMIT $2)",
			"DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE at <= $1 ORDER BY at LIMIT $2)",
		} {
			n, err := tx.Exec(ctx, statement, oldest, pruned)
			if err != nil {
				return err
			}
			total += n
		}
		last, err := Last(ctx, tx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE seq <= $1 ORDER BY seq LIMIT $2)", last-most*perOrder, pruned)
		total += n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete old entries: %w", err)
	}
	return int(total), nil
}

// startOfSurplus returns when the newest order beyond the newest `most` began, 0 if there is
// none.
func startOfSurplus(ctx context.Context, tx sqldb.Tx, most int64) (started int64, err error) {
	err = tx.QueryRow(ctx, "SELECT started_at FROM orders ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET $1", most).Scan(&started)
	if errors.Is(err, sqldb.ErrNoRows) {
		return 0, nil
	}
	return started, err
}
