package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"troupe/platform/sqldb"
)

// lookBack is how far before its last run Step reads again. It is longer than any
// transaction takes to commit, and than any two replicas' clocks differ; otherwise Step
// could miss a revocation that became visible late.
const lookBack = time.Minute

// Revocations is the set of sessions whose tokens are refused although they have not
// expired. It is stored in the service's database, which all replicas share, and kept
// in memory, where Revoked looks.
type Revocations struct {
	db  sqldb.DB
	now func() time.Time

	mu       sync.RWMutex
	until    map[string]time.Time // by session: when its last token has expired
	loadedAt time.Time            // all that was revoked until lookBack before this is in memory
}

// NewRevocations returns the revocations stored in db (table revoked_sessions, see
// Migrations). It is empty until the first Step.
func NewRevocations(db sqldb.DB, now func() time.Time) *Revocations {
	return &Revocations{db: db, now: now, until: map[string]time.Time{}}
}

// Revoke makes the session's tokens refused until the given time, when all of them
// have expired. This replica refuses them as soon as tx commits, the others after
// their next Step. Revoking a session again is harmless; the later time counts.
func (r *Revocations) Revoke(ctx context.Context, tx sqldb.Tx, sessionID string, until time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO revoked_sessions (session_id, until_at, revoked_at) VALUES ($1, $2, $3)
		ON CONFLICT (session_id) DO UPDATE SET until_at = excluded.until_at, revoked_at = excluded.revoked_at
		WHERE revoked_sessions.until_at < excluded.until_at`,
		sessionID, sqldb.Micros(until), sqldb.Micros(r.now()))
	if err != nil {
		return fmt.Errorf("revoke session %s: %w", sessionID, err)
	}
	tx.OnCommit(func() { r.add(sessionID, until) })
	return nil
}

// Step loads what other replicas have revoked and deletes what has expired. It returns
// how many sessions were added or deleted.
func (r *Revocations) Step(ctx context.Context) (int, error) {
	now := r.now()
	added, err := r.load(ctx, now)
	if err != nil {
		return 0, err
	}
	deleted, err := r.deleteExpired(ctx, now)
	return added + deleted, err
}

// Revoked reports whether the session's tokens are refused. It reads memory only.
func (r *Revocations) Revoked(sessionID string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, revoked := r.until[sessionID]
	return revoked
}

// load adds what was revoked since the last call, by any replica, and returns how many
// sessions are new.
func (r *Revocations) load(ctx context.Context, now time.Time) (added int, err error) {
	since := int64(0)
	if !r.loadedAt.IsZero() {
		since = sqldb.Micros(r.loadedAt.Add(-lookBack))
	}
	rows, err := r.db.Query(ctx, `SELECT session_id, until_at FROM revoked_sessions WHERE revoked_at >= $1 AND until_at > $2`, since, sqldb.Micros(now))
	if err != nil {
		return 0, fmt.Errorf("read revoked sessions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var until int64
		if err := rows.Scan(&id, &until); err != nil {
			return added, fmt.Errorf("read revoked sessions: %w", err)
		}
		if r.add(id, sqldb.Time(until)) {
			added++
		}
	}
	if err := rows.Err(); err != nil {
		return added, fmt.Errorf("read revoked sessions: %w", err)
	}
	r.loadedAt = now
	return added, nil
}

// deleteExpired deletes what has expired, in memory and, if there was any, in the table.
func (r *Revocations) deleteExpired(ctx context.Context, now time.Time) (int, error) {
	deleted := r.removeExpired(now)
	if deleted == 0 {
		return 0, nil
	}
	if _, err := r.db.Exec(ctx, `DELETE FROM revoked_sessions WHERE until_at <= $1`, sqldb.Micros(now)); err != nil {
		return deleted, fmt.Errorf("delete expired revocations: %w", err)
	}
	return deleted, nil
}

// removeExpired removes what has expired from memory and returns how many there were.
func (r *Revocations) removeExpired(now time.Time) (removed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, until := range r.until {
		if !now.Before(until) {
			delete(r.until, id)
			removed++
		}
	}
	return removed
}

// add puts the session into memory and reports whether that changed anything.
func (r *Revocations) add(sessionID string, until time.Time) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.until[sessionID]; ok && !until.After(known) {
		return false
	}
	r.until[sessionID] = until
	return true
}
