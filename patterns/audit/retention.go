package audit

import (
	"context"
	"fmt"
	"time"

	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

const retentionBatch = 1000 // rows deleted at once, so that no delete blocks others for long

// Retention returns the worker that deletes the entries of the service that are older
// than keep. It moves the mark up to which the database permits that.
func (l *Log) Retention(keep time.Duration) worker.Worker {
	return worker.Worker{Name: "audit retention", Background: true, Interval: time.Hour, BatchSize: retentionBatch, Step: func(ctx context.Context) (int, error) {
		return l.deleteBefore(ctx, l.config.Now().Add(-keep))
	}}
}

func (l *Log) deleteBefore(ctx context.Context, from time.Time) (deleted int, err error) {
	err = l.config.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO audit_retention (service, keep_from) VALUES ($1, $2)
			ON CONFLICT (service) DO UPDATE SET keep_from = excluded.keep_from WHERE audit_retention.keep_from < excluded.keep_from`,
			l.config.Service, sqldb.Micros(from))
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM audit_log WHERE id IN (SELECT id FROM
			(SELECT id, at FROM audit_log WHERE service = $1 ORDER BY id LIMIT $3) AS oldest WHERE at < $2)`, l.config.Service, sqldb.Micros(from), retentionBatch)
		deleted = int(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete old entries of the audit log: %w", err)
	}
	return deleted, nil
}
