package sqldb

import (
	"context"
	"strings"

	"troupe/platform/ascii"
)

// inTxKey is the context key of the mark.
type inTxKey struct{}

// markInTx returns a context that is marked as inside a transaction. It fails if ctx
// is marked already: on SQLite the inner transaction would wait for the outer one
// forever.
func markInTx(ctx context.Context) (context.Context, error) {
	if ctx.Value(inTxKey{}) != nil {
		return nil, errNested
	}
	return context.WithValue(ctx, inTxKey{}, true), nil
}

// txState makes transactions behave alike on every database: after a statement has
// failed the transaction can only be rolled back, a query's rows must be closed
// before the next statement, and nothing runs once the transaction has ended.
type txState struct {
	failure  error // of the first statement that failed
	openRows Rows  // of the last query, until they are closed
	ended    bool
	onCommit []func()
}

func (s *txState) OnCommit(f func()) { s.onCommit = append(s.onCommit, f) }

// canRun returns nil if a statement may run, or else the reason why not.
func (s *txState) canRun(ctx context.Context) error {
	switch {
	case s.ended:
		return errTxEnded
	case s.failure != nil:
		return s.failure
	case s.openRows != nil:
		return errRowsOpen
	}
	return ctx.Err()
}

// remember keeps the error of a statement, which fails the transaction, and returns it.
func (s *txState) remember(err error) error {
	if err != nil && s.failure == nil {
		s.failure = err
	}
	return err
}

// rowsClosed is called when a query's rows are closed, with the error of reading them.
func (s *txState) rowsClosed(err error) {
	s.openRows = nil
	_ = s.remember(err)
}

// call runs fn on tx, whose state is s. It returns nil if tx can be committed, even if
// fn ignored the error of a statement.
func (s *txState) call(ctx context.Context, fn func(context.Context, Tx) error, tx Tx) error {
	defer s.end()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if s.openRows != nil {
		s.openRows.Close()
	}
	return s.failure
}

// end closes rows that were left open and lets no more statements run.
func (s *txState) end() {
	if s.openRows != nil {
		s.openRows.Close()
	}
	s.ended = true
}

// runOnCommit calls the functions given to OnCommit, in that order.
func (s *txState) runOnCommit() {
	for _, f := range s.onCommit {
		f()
	}
}

// row is the first of rows, or the error why there is none.
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

// ReadsOnly reports whether all statements of b are queries that only read.
func (b *Batch) ReadsOnly() bool {
	for _, item := range b.items {
		if item.onRow == nil || !isSelect(item.sql) {
			return false
		}
	}
	return true
}

// isSelect reports whether sql is a query that only reads. It takes a
// WITH for one; outside a transaction SQLite refuses a WITH that writes.
func isSelect(sql string) bool {
	verb := strings.TrimLeft(sql, " \t\n(")
	if end := strings.IndexAny(verb, " \t\n"); end > 0 {
		verb = verb[:end]
	}
	return ascii.EqualFold(verb, "SELECT") || ascii.EqualFold(verb, "WITH")
}

// RunEach runs the statements of b on q one after the other. It is for wrappers of a
// Querier that need to see each statement.
func RunEach(ctx context.Context, q Querier, b *Batch) error {
	for _, item := range b.items {
		if err := runOne(ctx, q, item); err != nil {
			return err
		}
	}
	return nil
}

// runOne runs one statement of a batch and its callback.
func runOne(ctx context.Context, q Querier, item batchItem) error {
	if item.onRow == nil {
		n, err := q.Exec(ctx, item.sql, item.args...)
		if err != nil || item.onExec == nil {
			return err
		}
		return item.onExec(n)
	}
	rows, err := q.Query(ctx, item.sql, item.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := item.onRow(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
