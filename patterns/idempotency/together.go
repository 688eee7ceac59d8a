package idempotency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"troupe/platform/sqldb"
)

// Answer is the answer to one of the requests of OnceTogether.
type Answer[T any] struct {
	Value T
	New   bool  // it was computed now, so its effects have to be stored
	Err   error // the request is refused
}

// OnceTogether is Once for several requests of one transaction. compute returns the answer
// to the request with an index, or why it is refused, without a statement; the caller
// stores the effects of the answers that are new, in tx. A request that is refused can be
// repeated with its key. No two requests may have the same caller, operation and key.
func OnceTogether[T any](ctx context.Context, tx sqldb.Tx, requests []Request, now time.Time, compute func(i int) (T, error)) ([]Answer[T], error) {
	answers := make([]Answer[T], len(requests))
	sums := make([]string, len(requests))
	var rows [][]any
	for i := range requests {
		r := &requests[i]
		if sums[i], answers[i].Err = r.prepare(); answers[i].Err != nil {
			continue
		}
		answers[i].Value, answers[i].Err = compute(i)
		answers[i].New = answers[i].Err == nil
		if r.Key == "" {
			continue
		}
		text, err := answers[i].text()
		if err != nil {
			return nil, err
		}
		rows = append(rows, r.row(sums[i], text, now))
	}
	inserted, err := insertKeys(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	for i, r := range requests {
		if r.Key == "" || sums[i] == "" {
			continue
		}
		if err := settle(ctx, tx, r, sums[i], inserted[r.id()], &answers[i]); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// prepare checks the key, shortens the operation, and returns the fingerprint of the body,
// "" without a key.
func (r *Request) prepare() (string, error) {
	if r.Key == "" {
		return "", nil
	}
	if err := checkKey(r.Key); err != nil {
		return "", err
	}
	r.Operation = shorten(r.Operation)
	return fingerprint(r.Body)
}

// id identifies the row of a request.
func (r *Request) id() [3]string { return [3]string{r.Caller, r.Operation, r.Key} }

// row returns the row of a request with its answer.
func (r *Request) row(sum, answer string, now time.Time) []any {
	return []any{r.Caller, r.Operation, r.Key, sum, answer, sqldb.Micros(now)}
}

// text returns what is stored of an answer; nothing is of a refusal.
func (a *Answer[T]) text() (string, error) {
	if a.Err != nil {
		return "", nil
	}
	text, err := json.Marshal(a.Value)
	if err != nil {
		return "", fmt.Errorf("encode the answer: %w", err)
	}
	return string(text), nil
}

// insertKeys inserts rows of idempotency_keys and returns those that are new. It waits
// for other transactions that have inserted the same keys, and inserts in the order of the
// keys, so that two such transactions do not wait for each other.
func insertKeys(ctx context.Context, tx sqldb.Tx, rows [][]any) (map[[3]string]bool, error) {
	slices.SortFunc(rows, func(a, b []any) int {
		for column := range 3 {
			if c := strings.Compare(a[column].(string), b[column].(string)); c != 0 {
				return c
			}
		}
		return 0
	})
	inserted := make(map[[3]string]bool, len(rows))
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO idempotency_keys (caller, operation, idempotency_key, fingerprint, answer, created_at)", rows,
		"ON CONFLICT DO NOTHING RETURNING caller, operation, idempotency_key", func(row sqldb.Row) error {
			var id [3]string
			err := row.Scan(&id[0], &id[1], &id[2])
			inserted[id] = true
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("insert %d idempotency keys: %w", len(rows), err)
	}
	return inserted, nil
}

// settle makes a the answer of before if the key is not new, and deletes the key of a
// request that is refused.
func settle[T any](ctx context.Context, tx sqldb.Tx, r Request, sum string, isNew bool, a *Answer[T]) (err error) {
	switch {
	case !isNew:
		a.New = false
		if a.Value, a.Err = storedAnswer[T](ctx, tx, r, sum); !errors.Is(a.Err, reusedKey) {
			return a.Err
		}
	case a.Err != nil:
		_, err = tx.Exec(ctx, "DELETE FROM idempotency_keys WHERE caller = $1 AND operation = $2 AND idempotency_key = $3", r.Caller, r.Operation, r.Key)
		if err != nil {
			return fmt.Errorf("delete the idempotency key of a refused request: %w", err)
		}
	}
	return nil
}
