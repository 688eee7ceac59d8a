package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"troupe/platform/sqldb"
)

// lookBack is how far Step reads again what it has read before: longer than
// any transaction takes to commit and any two replicas' clocks are apart.
const lookBack = time.Minute

// Revocations are the sessions whose tokens are refused although not expired.
// They live in the service's database, so that every replica learns of them.
type Revocations struct {
	db  sqldb.DB
	now func() time.Time

	mu     sync.RWMutex
	until  map[string]time.Time // by session
	loaded time.Time            // what was revoked a minute before this is all known
}

// NewRevocations keeps them in db (table revoked_sessions, see Migrations).
func NewRevocations(db sqldb.DB, now func() time.Time) *Revocations {
	return &Revocations{db: db, now: now, until: map[string]time.Time{}}
}

// Revoke refuses the session's tokens until they have all expired. This
// replica does so as soon as tx commits, the others after their next Step.
func (r *Revocations) Revoke(ctx context.Context, tx sqldb.Tx, sessionID string, until time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO revoked_sessions (session_id, until_at, revoked_at) VALUES ($1, $2, $3)
		ON CONFLICT (session_id) DO UPDATE SET until_at = excluded.until_at, revoked_at = excluded.revoked_at
		WHERE revoked_sessions.until_at < excluded.until_at`,
		sessionID, sqldb.Micros(until), sqldb.Micros(r.now()))
	if err != nil {
		return fmt.Errorf("revoke session %s: %w", sessionID, err)
	}
	tx.OnCommit(func() { r.learn(sessionID, until) })
	return nil
}

// Step reads what other replicas revoked and forgets what has expired. It says
// how many sessions were news or were forgotten.
func (r *Revocations) Step(ctx context.Context) (int, error) {
	now := r.now()
	learned, err := r.load(ctx, now)
	if err != nil {
		return 0, err
	}
	forgotten, err := r.forget(ctx, now)
	return learned + forgotten, err
}

// Revoked says whether the session's tokens are refused. It only looks in memory.
func (r *Revocations) Revoked(sessionID string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, revoked := r.until[sessionID]
	return revoked
}

func (r *Revocations) load(ctx context.Context, now time.Time) (learned int, err error) {
	since := int64(0)
	if !r.loaded.IsZero() {
		since = sqldb.Micros(r.loaded.Add(-lookBack))
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
			return learned, fmt.Errorf("read revoked sessions: %w", err)
		}
		if r.learn(id, sqldb.Time(until)) {
			learned++
		}
	}
	if err := rows.Err(); err != nil {
		return learned, fmt.Errorf("read revoked sessions: %w", err)
	}
	r.loaded = now
	return learned, nil
}

// forget drops what has expired, in memory and, if there was any, in the table.
func (r *Revocations) forget(ctx context.Context, now time.Time) (int, error) {
	forgotten := r.drop(now)
	if forgotten == 0 {
		return 0, nil
	}
	if _, err := r.db.Exec(ctx, `DELETE FROM revoked_sessions WHERE until_at <= $1`, sqldb.Micros(now)); err != nil {
		return forgotten, fmt.Errorf("forget revoked sessions: %w", err)
	}
	return forgotten, nil
}

func (r *Revocations) drop(now time.Time) (dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, until := range r.until {
		if !now.Before(until) {
			delete(r.until, id)
			dropped++
		}
	}
	return dropped
}

func (r *Revocations) learn(sessionID string, until time.Time) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.until[sessionID]; ok && !until.After(known) {
		return false
	}
	r.until[sessionID] = until
	return true
}
