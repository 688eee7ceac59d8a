package sqldb

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// endTimeout bounds COMMIT and ROLLBACK, which the end of the caller's context does not
	// interrupt at once: a commit that is cut off halfway has an unknown outcome.
	endTimeout = 30 * time.Second
	// lateCommit and lateRollback bound what is left of them when the caller's context has
	// ended. If a rollback is cut off, the server rolls back by itself.
	lateCommit   = 3 * time.Second
	lateRollback = time.Second
)

// postgresTx is a transaction whose BEGIN is sent with its first statement, in the same
// round trip.
type postgresTx struct {
	txState
	conn    *pgx.Conn
	relaxed bool
	tx      pgx.Tx // nil until begun
}

// run runs fn, then commits or rolls back.
func (t *postgresTx) run(ctx context.Context, fn func(context.Context, Tx) error) error {
	defer t.rollback(ctx) // does nothing after a commit
	if err := t.call(ctx, fn, t); err != nil {
		return t.asRetryable(ctx, err)
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.runOnCommit()
	return nil
}

// uncommittedError is the failure of a transaction that certainly was not committed,
// through no fault of its function. Such a transaction is run again.
type uncommittedError struct{ error }

func (e uncommittedError) Unwrap() error { return e.error }

// asRetryable marks err, the error of fn, if the transaction should be run again because
// one of its statements failed for a retryable reason or its connection was lost. What
// fn made of that failure does not matter.
func (t *postgresTx) asRetryable(ctx context.Context, err error) error {
	if t.failure == nil || ctx.Err() != nil {
		return err
	}
	if isRetryable(t.failure) || t.conn.IsClosed() {
		return uncommittedError{t.failure}
	}
	return err
}

// commit commits what was begun.
func (t *postgresTx) commit(ctx context.Context) error {
	if t.tx == nil {
		return nil
	}
	ctx, cancel := ending(ctx, lateCommit)
	defer cancel()
	return wrapPostgres("COMMIT", t.tx.Commit(ctx))
}

// rollback rolls back what was begun. If even that fails pgx closes the connection, and
// the server rolls back by itself.
func (t *postgresTx) rollback(ctx context.Context) {
	if t.tx == nil {
		return
	}
	ctx, cancel := ending(ctx, lateRollback)
	defer cancel()
	_ = t.tx.Rollback(ctx)
}

// ending returns the context for the end of a transaction. It ends when endTimeout is over,
// or late after ctx.
func ending(ctx context.Context, late time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(late, cancel) })
	return longer, func() { stop(); cancel() }
}

func (t *postgresTx) Exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	var b Batch
	b.Exec(func(affected int64) error {
		n = affected
		return nil
	}, text, args...)
	return n, t.Run(ctx, &b)
}

func (t *postgresTx) Query(ctx context.Context, text string, args ...any) (Rows, error) {
	if err := t.canRun(ctx); err != nil {
		return nil, err
	}
	args, err := checkArgs(args)
	if err != nil {
		return nil, t.remember(err)
	}
	var out pgx.Batch
	begins := t.begin(&out)
	out.Queue(text, args...)
	results := t.send(ctx, &out)
	if err := skipResults(results, begins); err != nil {
		return nil, t.remember(wrapPostgres(text, errors.Join(err, results.Close())))
	}
	rows, _ := results.Query() // rows holds the error too
	t.openRows = &postgresRows{Rows: rows, text: text, onClose: func(err error) error {
		if closed := results.Close(); err == nil {
			err = wrapPostgres(text, closed)
		}
		t.rowsClosed(err)
		return err
	}}
	return t.openRows, nil
}

func (t *postgresTx) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := t.Query(ctx, text, args...)
	return row{rows, err}
}

func (t *postgresTx) Run(ctx context.Context, b *Batch) error {
	if err := t.canRun(ctx); err != nil {
		return err
	}
	var out pgx.Batch
	begins := t.begin(&out)
	if err := b.queue(&out); err != nil {
		return t.remember(err)
	}
	results := t.send(ctx, &out)
	if err := skipResults(results, begins); err != nil {
		return t.remember(wrapPostgres("BEGIN", errors.Join(err, results.Close())))
	}
	return t.remember(b.receive(results))
}

// SkipLocked returns the clause by which several replicas claim different rows at the
// same time.
func (t *postgresTx) SkipLocked() string { return " FOR UPDATE SKIP LOCKED" }

// ForUpdate returns the clause by which several replicas change the same rows one after
// the other.
func (t *postgresTx) ForUpdate() string { return " FOR UPDATE" }

// ForShare returns the clause by which the rows stay as they are.
func (t *postgresTx) ForShare() string { return " FOR SHARE" }

// begin queues the statements that begin the transaction, unless they were sent already,
// and returns how many there are.
func (t *postgresTx) begin(out *pgx.Batch) int {
	if t.tx != nil {
		return 0
	}
	out.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if t.relaxed {
		out.Queue("SET LOCAL synchronous_commit = off")
	}
	return out.Len()
}

// send sends out in one round trip, and keeps the transaction that it begins.
func (t *postgresTx) send(ctx context.Context, out *pgx.Batch) pgx.BatchResults {
	results := t.conn.SendBatch(ctx, out)
	if tx := results.Tx(); tx != nil {
		t.tx = tx
	}
	return results
}

// skipResults reads the results of the n statements that begin the transaction.
func skipResults(results pgx.BatchResults, n int) error {
	for range n {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	return nil
}

// hasCallbacks reports whether b has a callback, which could fail.
func (b *Batch) hasCallbacks() bool {
	for _, item := range b.items {
		if item.onRow != nil || item.onExec != nil {
			return true
		}
	}
	return false
}

// queue adds b's statements to out.
func (b *Batch) queue(out *pgx.Batch) error {
	for _, item := range b.items {
		args, err := checkArgs(item.args)
		if err != nil {
			return err
		}
		out.Queue(item.sql, args...)
	}
	return nil
}

// receive passes the results of b's statements to their callbacks and closes them.
func (b *Batch) receive(results pgx.BatchResults) error {
	for _, item := range b.items {
		if err := item.receive(results); err != nil {
			_ = results.Close() // reads the rest; the first error counts
			return err
		}
	}
	return results.Close()
}

// receive passes the next result to the callback of the item.
func (item batchItem) receive(results pgx.BatchResults) error {
	if item.onRow == nil {
		tag, err := results.Exec()
		if err != nil || item.onExec == nil {
			return wrapPostgres(item.sql, err)
		}
		return item.onExec(tag.RowsAffected())
	}
	rows, _ := results.Query() // rows holds the error too
	defer rows.Close()
	for rows.Next() {
		if err := item.onRow(rows); err != nil {
			return err
		}
	}
	return wrapPostgres(item.sql, rows.Err())
}
