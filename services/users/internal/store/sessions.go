package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/users/internal/session"
)

// AddSession stores a new session.
func AddSession(ctx context.Context, tx sqldb.Tx, s session.Session) error {
	_, err := tx.Exec(ctx, `INSERT INTO sessions (id, account_id, counter, created_at, rotated_at) VALUES ($1, $2, $3, $4, $5)`,
		s.ID, s.AccountID, s.Counter, sqldb.Micros(s.CreatedAt), sqldb.Micros(s.RotatedAt))
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// HasSession reports whether the account has a session, be it ended or expired, that is not
// deleted yet.
func HasSession(ctx context.Context, q sqldb.Querier, accountID string) (bool, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT count(*) FROM (SELECT id FROM sessions WHERE account_id = $1 LIMIT 1) AS one`, accountID).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for a session: %w", err)
	}
	return n > 0, nil
}

// LockSession returns a session and locks it until tx ends; false if there is none.
func LockSession(ctx context.Context, tx sqldb.Tx, id string) (s session.Session, found bool, err error) {
	var created, rotated int64
	err = tx.QueryRow(ctx, `UPDATE sessions SET counter = counter WHERE id = $1
		RETURNING id, account_id, counter, created_at, rotated_at, ended_at IS NOT NULL`, id).
		Scan(&s.ID, &s.AccountID, &s.Counter, &created, &rotated, &s.Ended)
	if errors.Is(err, sqldb.ErrNoRows) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read session: %w", err)
	}
	s.CreatedAt, s.RotatedAt = sqldb.Time(created), sqldb.Time(rotated)
	return s, true, nil
}

// RotateSession makes the next refresh token the valid one. The session must be locked.
func RotateSession(ctx context.Context, tx sqldb.Tx, id string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE sessions SET counter = counter + 1, rotated_at = $1 WHERE id = $2`, sqldb.Micros(now), id)
	if err != nil {
		return fmt.Errorf("rotate session: %w", err)
	}
	return nil
}

// ReplaceRefreshTokens makes a refresh token the valid one that is neither the present
// one nor its successor: a thief of an earlier one cannot use it, not even as a
// repetition. The session must be locked.
func ReplaceRefreshTokens(ctx context.Context, tx sqldb.Tx, id string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE sessions SET counter = counter + $1, rotated_at = $2 WHERE id = $3`,
		session.Replacement, sqldb.Micros(now), id)
	if err != nil {
		return fmt.Errorf("replace refresh tokens: %w", err)
	}
	return nil
}

// EndSession ends one session of an account and reports whether it had not ended yet.
func EndSession(ctx context.Context, tx sqldb.Tx, accountID, id string, now time.Time) (ended bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE sessions SET ended_at = $1 WHERE id = $2 AND account_id = $3 AND ended_at IS NULL`,
		sqldb.Micros(now), id, accountID)
	if err != nil {
		return false, fmt.Errorf("end session: %w", err)
	}
	return n == 1, nil
}

// EndSessions ends all sessions of an account except one and returns their ids.
func EndSessions(ctx context.Context, tx sqldb.Tx, accountID, except string, now time.Time) (ids []string, err error) {
	ids, err = sqldb.All(ctx, tx, func(row sqldb.Row) (id string, err error) { return id, row.Scan(&id) },
		`UPDATE sessions SET ended_at = $1 WHERE account_id = $2 AND id <> $3 AND ended_at IS NULL RETURNING id`,
		sqldb.Micros(now), accountID, except)
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	return ids, nil
}

// deleteLimit is how many rows one statement deletes at most.
const deleteLimit = 500

// DeleteExpiredSessions deletes sessions that have ended or expired, and returns how many.
func DeleteExpiredSessions(ctx context.Context, db sqldb.DB, now time.Time) (int, error) {
	n, err := db.Exec(ctx, `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions
		WHERE rotated_at <= $1 OR created_at <= $2 OR ended_at IS NOT NULL LIMIT $3)`,
		sqldb.Micros(now.Add(-session.IdleLimit)), sqldb.Micros(now.Add(-session.AbsoluteLimit)), deleteLimit)
	if err != nil {
		return 0, fmt.Errorf("delete expired sessions: %w", err)
	}
	return int(n), nil
}
