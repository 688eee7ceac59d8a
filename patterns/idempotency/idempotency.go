// Package idempotency gives a repeated request the answer of the first instead
// of doing its work again. The key, a fingerprint of the request and the answer
// are stored in the transaction that does the work.
package idempotency

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"troupe/patterns/worker"
	"troupe/platform/fault"
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

const (
	maxKey       = 255  // bytes
	maxOperation = 255  // bytes
	sweepBatch   = 1000 // rows deleted at once, so that no delete holds others up
)

// Once runs work inside tx and stores its answer, or gives back the stored one.
// Fails with fault.Invalid (code idempotency_key_reused) if the key was used
// for another body, and for a key over 255 bytes or with control characters.
// T must survive a round trip through JSON.
//
// An error of work must become tx's error, so that the key is forgotten and the
// request can be repeated. Of two requests that come at the same time, the
// second waits for the first one's transaction and then finds its answer.
func Once[T any](ctx context.Context, tx sqldb.Tx, r Request, now time.Time, work func() (T, error)) (answer T, replayed bool, err error) {
	if r.Key == "" {
		answer, err = work()
		return answer, false, err
	}
	if err := checkKey(r.Key); err != nil {
		return answer, false, err
	}
	sum, err := fingerprint(r.Body)
	if err != nil {
		return answer, false, err
	}
	r.Operation = short(r.Operation)
	first, err := take(ctx, tx, r, sum, now)
	if err != nil {
		return answer, false, err
	}
	if !first {
		answer, err = stored[T](ctx, tx, r, sum)
		return answer, err == nil, err
	}
	if answer, err = work(); err != nil {
		return answer, false, err
	}
	return answer, false, store(ctx, tx, r, answer)
}

func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return invalidKey.WithField("header.Idempotency-Key", fmt.Sprintf("has %d bytes", len(key)))
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return invalidKey.WithField("header.Idempotency-Key", "has characters that are no text")
	}
	return nil
}

var (
	invalidKey = fault.New(fault.Invalid, "idempotency_key_invalid",
		"The Idempotency-Key must be at most %d bytes of text without control characters; a UUID will do.", maxKey)
	reusedKey = fault.New(fault.Invalid, "idempotency_key_reused",
		"This Idempotency-Key was used for a request with another body; send a new key, or the same body.")
)

func fingerprint(body any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("fingerprint the request: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// short stands for an operation in the primary key, which has to be short: one
// that names a path has whatever a caller put there.
func short(operation string) string {
	if len(operation) <= maxOperation {
		return operation
	}
	sum := sha256.Sum256([]byte(operation))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// take writes the key and says whether it was free. It waits for a transaction
// that holds the same key.
func take(ctx context.Context, tx sqldb.Tx, r Request, sum string, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO idempotency_keys (caller, operation, idempotency_key, fingerprint, answer, created_at)
		VALUES ($1, $2, $3, $4, '', $5) ON CONFLICT DO NOTHING`,
		r.Caller, r.Operation, r.Key, sum, sqldb.Micros(now))
	if err != nil {
		return false, fmt.Errorf("take the idempotency key: %w", err)
	}
	return n == 1, nil
}

func store(ctx context.Context, tx sqldb.Tx, r Request, answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode the answer to be repeated: %w", err)
	}
	_, err = tx.Exec(ctx, "UPDATE idempotency_keys SET answer = $1 WHERE caller = $2 AND operation = $3 AND idempotency_key = $4",
		string(text), r.Caller, r.Operation, r.Key)
	if err != nil {
		return fmt.Errorf("store the answer to be repeated: %w", err)
	}
	return nil
}

func stored[T any](ctx context.Context, tx sqldb.Tx, r Request, sum string) (answer T, err error) {
	var was, text string
	err = tx.QueryRow(ctx, `SELECT fingerprint, answer FROM idempotency_keys
		WHERE caller = $1 AND operation = $2 AND idempotency_key = $3`,
		r.Caller, r.Operation, r.Key).Scan(&was, &text)
	if err != nil {
		return answer, fmt.Errorf("read the stored answer: %w", err)
	}
	if was != sum {
		return answer, reusedKey
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return answer, fmt.Errorf("decode the stored answer: %w", err)
	}
	return answer, nil
}

// Sweeper forgets keys older than keep, a bounded number a step.
func Sweeper(db sqldb.DB, now func() time.Time, keep time.Duration) worker.Worker {
	return worker.Worker{Name: "idempotency keys", Interval: 10 * time.Minute, Step: func(ctx context.Context) (int, error) {
		return sweep(ctx, db, now(), keep)
	}}
}

func sweep(ctx context.Context, db sqldb.DB, now time.Time, keep time.Duration) (int, error) {
	n, err := db.Exec(ctx, `DELETE FROM idempotency_keys WHERE (caller, operation, idempotency_key) IN (
		SELECT caller, operation, idempotency_key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)`,
		sqldb.Micros(now.Add(-keep)), sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("sweep idempotency keys: %w", err)
	}
	return int(n), nil
}
