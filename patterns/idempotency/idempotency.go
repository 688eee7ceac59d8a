// Package idempotency gives a repeated request the answer of the first instead
// of doing its work again. The key, a fingerprint of the request and the answer
// are stored in the transaction that does the work.
package idempotency

import (
	"context"
	"embed"
	"time"

	"troupe/platform/sqldb"
)

// Migrations make the table idempotency_keys; versions 401 to 499.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Request is what makes a repetition recognisable.
type Request struct {
	Caller    string // whose key it is: keys of different callers never meet
	Operation string // "POST /orders"
	Key       string // the Idempotency-Key header; empty means: not idempotent, just do it
	Body      any    // JSON-marshalled into the fingerprint
}

// Once runs work inside tx and stores its answer, or gives back the stored one.
// Fails with fault.Invalid (code idempotency_key_reused) if the key was used
// for another body, and for a key over 255 bytes or with control characters.
// T must survive a round trip through JSON.
func Once[T any](ctx context.Context, tx sqldb.Tx, r Request, now time.Time, work func() (T, error)) (answer T, replayed bool, err error) {
	panic("todo")
}

// Sweep forgets keys older than keep, a bounded number at a time, and says how many.
func Sweep(ctx context.Context, db sqldb.DB, now time.Time, keep time.Duration) (int, error) {
	panic("todo")
}
