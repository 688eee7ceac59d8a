package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/users/internal/throttle"
)

// RecordAttempt counts an attempt as failed before the password is checked, so that
// concurrent attempts cannot evade the limit. If the attempt comes too early, it is
// not counted, and RecordAttempt returns how long to wait. ClearAttempts or
// DiscardAttempt undo the count.
func RecordAttempt(ctx context.Context, tx sqldb.Tx, key throttle.Key, rule throttle.Rule, now time.Time) (wait time.Duration, err error) {
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
	var until int64 // 0, no wait: of two concurrent attempts the later one may be counted first
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

// ClearAttempts deletes all failures of a key.
func ClearAttempts(ctx context.Context, tx sqldb.Tx, key throttle.Key) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sign_in_attempts WHERE key = $1`, string(key)); err != nil {
		return fmt.Errorf("clear attempts: %w", err)
	}
	return nil
}

// DiscardAttempt takes one recorded attempt back. A wait that the other failures
// require remains. Otherwise an attacker with an account could sign in to it before
// each guess at another account, and would never wait.
func DiscardAttempt(ctx context.Context, tx sqldb.Tx, key throttle.Key, rule throttle.Rule) error {
	_, err := tx.Exec(ctx, `UPDATE sign_in_attempts SET failures = failures - 1,
		blocked_until = CASE WHEN failures <= $1 THEN 0 ELSE blocked_until END WHERE key = $2 AND failures > 0`,
		rule.Free, string(key))
	if err != nil {
		return fmt.Errorf("discard attempt: %w", err)
	}
	return nil
}

// DeleteOldAttempts deletes failures that are too old to count, and returns how many.
func DeleteOldAttempts(ctx context.Context, db sqldb.DB, now time.Time) (int, error) {
	n, err := db.Exec(ctx, `DELETE FROM sign_in_attempts WHERE key IN (SELECT key FROM sign_in_attempts
		WHERE last_at <= $1 LIMIT $2)`, sqldb.Micros(now.Add(-attemptRetention)), deleteLimit)
	if err != nil {
		return 0, fmt.Errorf("delete old attempts: %w", err)
	}
	return int(n), nil
}

// attemptRetention is longer than it takes to forget any number of failures that can be
// reached.
const attemptRetention = 48 * time.Hour
