package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/users/internal/throttle"
)

// ChargeAttempt counts an attempt as failed before it is made, so that many at
// once can not slip by, and says how long to wait if it comes too early: then
// it is not counted. Forgive or RefundAttempt take it back.
func ChargeAttempt(ctx context.Context, tx sqldb.Tx, key throttle.Key, rule throttle.Rule, now time.Time) (wait time.Duration, err error) {
	var failures int64
	err = tx.QueryRow(ctx, `INSERT INTO sign_in_attempts (key, failures, last_at, blocked_until) VALUES ($1, 1, $2, 0)
		ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at, failures = 1 +
			CASE WHEN sign_in_attempts.failures > (excluded.last_at - sign_in_attempts.last_at) / $3
			THEN sign_in_attempts.failures - (excluded.last_at - sign_in_attempts.last_at) / $3 ELSE 0 END
		WHERE sign_in_attempts.blocked_until <= excluded.last_at RETURNING failures`,
		string(key), sqldb.Micros(now), rule.Leak.Microseconds()).Scan(&failures)
	if errors.Is(err, sqldb.ErrNoRows) {
		return blockedFor(ctx, tx, key, now)
	}
	if err != nil {
		return 0, fmt.Errorf("count attempt: %w", err)
	}
	var until int64 // none: of two at the same moment, the later one may be counted first
	if delay := rule.Delay(failures); delay > 0 {
		until = sqldb.Micros(now.Add(delay))
	}
	if _, err = tx.Exec(ctx, `UPDATE sign_in_attempts SET blocked_until = $1 WHERE key = $2`, until, string(key)); err != nil {
		return 0, fmt.Errorf("delay next attempt: %w", err)
	}
	return 0, nil
}

func blockedFor(ctx context.Context, tx sqldb.Tx, key throttle.Key, now time.Time) (time.Duration, error) {
	var until int64
	err := tx.QueryRow(ctx, `SELECT blocked_until FROM sign_in_attempts WHERE key = $1`, string(key)).Scan(&until)
	if err != nil {
		return 0, fmt.Errorf("read how long attempts are blocked: %w", err)
	}
	return sqldb.Time(until).Sub(now), nil
}

// ForgiveAttempts forgets all failures of a key.
func ForgiveAttempts(ctx context.Context, tx sqldb.Tx, key throttle.Key) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sign_in_attempts WHERE key = $1`, string(key)); err != nil {
		return fmt.Errorf("forgive attempts: %w", err)
	}
	return nil
}

// RefundAttempt takes one charge back. A wait that is due all the same stays, or
// whoever has an account could buy a guess with each sign-in.
func RefundAttempt(ctx context.Context, tx sqldb.Tx, key throttle.Key, rule throttle.Rule) error {
	_, err := tx.Exec(ctx, `UPDATE sign_in_attempts SET failures = failures - 1,
		blocked_until = CASE WHEN failures <= $1 THEN 0 ELSE blocked_until END WHERE key = $2 AND failures > 0`,
		rule.Free, string(key))
	if err != nil {
		return fmt.Errorf("refund attempt: %w", err)
	}
	return nil
}

// SweepAttempts forgets failures so old that they count no more, and says how many.
func SweepAttempts(ctx context.Context, db sqldb.DB, now time.Time) (int, error) {
	n, err := db.Exec(ctx, `DELETE FROM sign_in_attempts WHERE key IN (SELECT key FROM sign_in_attempts
		WHERE last_at <= $1 LIMIT $2)`, sqldb.Micros(now.Add(-attemptsKept)), sweepLimit)
	if err != nil {
		return 0, fmt.Errorf("sweep attempts: %w", err)
	}
	return int(n), nil
}

// attemptsKept is longer than any number of failures that can be reached takes to leak away.
const attemptsKept = 48 * time.Hour
