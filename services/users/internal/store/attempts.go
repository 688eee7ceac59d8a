package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/users/internal/throttle"
)

// LockAttempts returns what is known about the attempts with a key, and locks it until tx
// ends. A transaction that locks several keys must lock those of an account or a device
// before those of an address.
func LockAttempts(ctx context.Context, tx sqldb.Tx, key throttle.Key, now time.Time) (s throttle.State, err error) {
	var last, blocked, pending int64
	err = tx.QueryRow(ctx, `INSERT INTO sign_in_attempts (key, failures, last_at, blocked_until, pending, pending_until)
		VALUES ($1, 0, $2, 0, 0, 0) ON CONFLICT (key) DO UPDATE SET key = excluded.key
		RETURNING failures, last_at, blocked_until, pending, pending_until`,
		string(key), sqldb.Micros(now)).Scan(&s.Failures, &last, &blocked, &s.Pending, &pending)
	if err != nil {
		return s, fmt.Errorf("lock attempts to sign in: %w", err)
	}
	s.LastAt, s.BlockedUntil, s.PendingUntil = sqldb.Time(last), sqldb.Time(blocked), sqldb.Time(pending)
	return s, nil
}

// SaveAttempts stores what is known about the attempts with a key, which LockAttempts has
// locked.
func SaveAttempts(ctx context.Context, tx sqldb.Tx, key throttle.Key, s throttle.State) error {
	var err error
	if s.Idle() {
		_, err = tx.Exec(ctx, `DELETE FROM sign_in_attempts WHERE key = $1`, string(key))
	} else {
		_, err = tx.Exec(ctx, `UPDATE sign_in_attempts SET failures = $1, last_at = $2, blocked_until = $3, pending = $4,
			pending_until = $5 WHERE key = $6`, s.Failures, sqldb.Micros(s.LastAt), microsOrZero(s.BlockedUntil), s.Pending,
			microsOrZero(s.PendingUntil), string(key))
	}
	if err != nil {
		return fmt.Errorf("save attempts to sign in: %w", err)
	}
	return nil
}

// microsOrZero returns 0 for the zero time, whose microseconds are far below zero.
func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return sqldb.Micros(t)
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
