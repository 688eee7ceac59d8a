// Package idempotency answers a repeated request with the answer of the first one
// instead of doing its work again. The key, a fingerprint of the request and the
// answer are stored in the transaction that does the work.
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

// Migrations create the table idempotency_keys; versions 401 to 499.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Request is what identifies a repetition of a request.
type Request struct {
	Caller    string // whose key it is: different callers may use the same key; see Erase
	Operation string // "POST /orders"
	Key       string // the Idempotency-Key header; without one the work is always done
	Body      any    // JSON-marshalled into the fingerprint
}

const (
	maxKey       = 255  // bytes
	maxOperation = 255  // bytes
	sweepBatch   = 1000 // rows deleted at once, so that no delete blocks others for long
)

// Once calls work inside tx and stores its answer, or returns the stored answer of
// an earlier call; replayed reports which. It fails with fault.Invalid if the key
// was used for another body (code idempotency_key_reused), and if the key is longer
// than 255 bytes or has control characters (code idempotency_key_invalid). T must
// survive a round trip through JSON.
//
// An error of work must become the error of tx, so that the key is rolled back and
// the request can be repeated. Of two requests that arrive at the same time, the
// second waits for the transaction of the first and then finds its answer.
func Once[T any](ctx context.Context, tx sqldb.Tx, r Request, now time.Time, work func() (T, error)) (answer T, replayed bool, err error) {
	if r.Key == "" {
		answer, err = work()
		return answer, false, err
	}
	sum, err := r.prepare()
	if err != nil {
		return answer, false, err
	}
	inserted, err := insertKeys(ctx, tx, [][]any{r.row(sum, "", now)})
	if err != nil {
		return answer, false, err
	}
	if !inserted[r.id()] {
		answer, err = storedAnswer[T](ctx, tx, r, sum)
		return answer, err == nil, err
	}
	if answer, err = work(); err != nil {
		return answer, false, err
	}
	return answer, false, storeAnswer(ctx, tx, r, answer)
}

// Erase deletes the keys of a caller with their stored answers, which may hold personal
// data. A service calls it in the transaction that erases the caller's other data. A
// repeated request then counts as a new one.
func Erase(ctx context.Context, tx sqldb.Tx, caller string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM idempotency_keys WHERE caller = $1", caller); err != nil {
		return fmt.Errorf("erase the idempotency keys of a caller: %w", err)
	}
	return nil
}

// Answered reports whether the answer to an earlier request with the key of r is
// stored, so that Once will not call work. It does not look at the body of r.
func Answered(ctx context.Context, q sqldb.Querier, r Request) (bool, error) {
	if r.Key == "" || checkKey(r.Key) != nil {
		return false, nil
	}
	var n int
	err := q.QueryRow(ctx, `SELECT count(*) FROM idempotency_keys
		WHERE caller = $1 AND operation = $2 AND idempotency_key = $3`, r.Caller, shorten(r.Operation), r.Key).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for the idempotency key: %w", err)
	}
	return n > 0, nil
}

// checkKey returns an error if key cannot be stored.
func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return invalidKey.WithField("header.Idempotency-Key", fmt.Sprintf("has %d bytes", len(key)))
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return invalidKey.WithField("header.Idempotency-Key", "has characters that are not text")
	}
	return nil
}

var (
	invalidKey = fault.New(fault.Invalid, "idempotency_key_invalid",
		"The Idempotency-Key must be at most %d bytes of text without control characters; a UUID will do.", maxKey)
	reusedKey = fault.New(fault.Invalid, "idempotency_key_reused",
		"This Idempotency-Key was used for a request with another body; send a new key, or the same body.")
)

// fingerprint returns a hash of the body.
func fingerprint(body any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("fingerprint the request: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// shorten returns the operation, or a fingerprint of it if it is too long for a
// primary key: an operation that contains a path is as long as callers make it.
func shorten(operation string) string {
	if len(operation) <= maxOperation {
		return operation
	}
	sum := sha256.Sum256([]byte(operation))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func storeAnswer(ctx context.Context, tx sqldb.Tx, r Request, answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = tx.Exec(ctx, "UPDATE idempotency_keys SET answer = $1 WHERE caller = $2 AND operation = $3 AND idempotency_key = $4",
		string(text), r.Caller, r.Operation, r.Key)
	if err != nil {
		return fmt.Errorf("store the answer: %w", err)
	}
	return nil
}

func storedAnswer[T any](ctx context.Context, tx sqldb.Tx, r Request, sum string) (answer T, err error) {
	var storedSum, text string
	err = tx.QueryRow(ctx, `SELECT fingerprint, answer FROM idempotency_keys
		WHERE caller = $1 AND operation = $2 AND idempotency_key = $3`,
		r.Caller, r.Operation, r.Key).Scan(&storedSum, &text)
	if err != nil {
		return answer, fmt.Errorf("read the stored answer: %w", err)
	}
	if storedSum != sum {
		return answer, reusedKey
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return answer, fmt.Errorf("decode the stored answer: %w", err)
	}
	return answer, nil
}

// Sweeper returns the worker that deletes keys older than retention, a bounded
// number per step.
func Sweeper(db sqldb.DB, now func() time.Time, retention time.Duration) worker.Worker {
	return worker.Worker{Name: "idempotency keys", Background: true, Interval: 10 * time.Minute, Step: func(ctx context.Context) (int, error) {
		return sweep(ctx, db, now(), retention)
	}}
}

func sweep(ctx context.Context, db sqldb.DB, now time.Time, retention time.Duration) (int, error) {
	n, err := db.Exec(ctx, `DELETE FROM idempotency_keys WHERE (caller, operation, idempotency_key) IN (
		SELECT caller, operation, idempotency_key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)`,
		sqldb.Micros(now.Add(-retention)), sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("sweep idempotency keys: %w", err)
	}
	return int(n), nil
}
