package sqldb

import (
	"context"
	"strings"
)

type insideKey struct{}

// enter marks a context as inside a transaction. It refuses to do so twice: on
// SQLite the inner transaction would wait for the outer one for ever.
func enter(ctx context.Context) (context.Context, error) {
	if ctx.Value(insideKey{}) != nil {
		return nil, errNested
	}
	return context.WithValue(ctx, insideKey{}, true), nil
}

// txState makes transactions behave alike on every database: after a statement
// has failed nothing but rolling back is left, a query's rows are closed before
// the next statement, and nothing runs when the transaction is over.
type txState struct {
	failure error
	reading Rows // not yet closed
	over    bool
	then    []func()
}

func (s *txState) OnCommit(f func()) { s.then = append(s.then, f) }

// ready says whether a statement may run.
func (s *txState) ready(ctx context.Context) error {
	switch {
	case s.over:
		return errOver
	case s.failure != nil:
		return s.failure
	case s.reading != nil:
		return errRowsOpen
	}
	return ctx.Err()
}

// note remembers that a statement failed.
func (s *txState) note(err error) error {
	if err != nil && s.failure == nil {
		s.failure = err
	}
	return err
}

// read notes the end of a query's rows.
func (s *txState) read(err error) {
	s.reading = nil
	_ = s.note(err)
}

// call runs fn on tx, whose state s is, and says whether to commit.
func (s *txState) call(ctx context.Context, fn func(context.Context, Tx) error, tx Tx) error {
	defer s.end()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if s.reading != nil {
		s.reading.Close()
	}
	return s.failure
}

func (s *txState) end() {
	if s.reading != nil {
		s.reading.Close()
	}
	s.over = true
}

func (s *txState) committed() {
	for _, f := range s.then {
		f()
	}
}

// row is the first of rows, or why there is none.
type row struct {
	rows Rows
	err  error
}

func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// ReadsOnly says whether b does nothing but read.
func (b *Batch) ReadsOnly() bool {
	for _, item := range b.items {
		if item.each == nil || !isSelect(item.sql) {
			return false
		}
	}
	return true
}

func isSelect(sql string) bool {
	verb := strings.TrimLeft(sql, " \t\n(")
	if end := strings.IndexAny(verb, " \t\n"); end > 0 {
		verb = verb[:end]
	}
	return strings.EqualFold(verb, "SELECT") || strings.EqualFold(verb, "WITH")
}

// RunEach runs the statements of b on q one after the other: for those who wrap a
// Querier and want to see each statement.
func RunEach(ctx context.Context, q Querier, b *Batch) error {
	for _, item := range b.items {
		if err := runOne(ctx, q, item); err != nil {
			return err
		}
	}
	return nil
}

func runOne(ctx context.Context, q Querier, item batchItem) error {
	if item.each == nil {
		n, err := q.Exec(ctx, item.sql, item.args...)
		if err != nil || item.exec == nil {
			return err
		}
		return item.exec(n)
	}
	rows, err := q.Query(ctx, item.sql, item.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := item.each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
