package sqldb

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience bounds the end of a transaction, which no context interrupts: a
// commit cut off halfway would leave its outcome unknown.
const patience = 30 * time.Second

// postgresTx begins with its first statement, in the same round trip.
type postgresTx struct {
	txState
	conn    *pgx.Conn
	relaxed bool
	tx      pgx.Tx // nil until begun
}

// run runs fn and ends the transaction.
func (t *postgresTx) run(ctx context.Context, fn func(context.Context, Tx) error) error {
	defer t.rollback(ctx) // does nothing after a commit
	if err := t.call(ctx, fn, t); err != nil {
		return t.again(ctx, err)
	}
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.committed()
	return nil
}

// undoneError is the failure of a transaction that is certainly undone, through
// no fault of its own.
type undoneError struct{ error }

func (e undoneError) Unwrap() error { return e.error }

// again says of fn's error whether the transaction is to be run again, whatever
// fn made of the failure: it lost a race, or its connection before the commit.
func (t *postgresTx) again(ctx context.Context, err error) error {
	if t.failure == nil || ctx.Err() != nil {
		return err
	}
	if lostRace(t.failure) || t.conn.IsClosed() {
		return undoneError{t.failure}
	}
	return err
}

func (t *postgresTx) commit(ctx context.Context) error {
	if t.tx == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return explained("COMMIT", t.tx.Commit(ctx))
}

// rollback ends what was begun. If even that fails, pgx closes the connection
// and the server forgets the transaction with it.
func (t *postgresTx) rollback(ctx context.Context) {
	if t.tx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = t.tx.Rollback(ctx)
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
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	args, err := checked(args)
	if err != nil {
		return nil, t.note(err)
	}
	var out pgx.Batch
	begins := t.begin(&out)
	out.Queue(text, args...)
	results := t.send(ctx, &out)
	if err := skip(results, begins); err != nil {
		return nil, t.note(explained(text, errors.Join(err, results.Close())))
	}
	rows, _ := results.Query() // an error is in rows too
	t.reading = &postgresRows{Rows: rows, text: text, after: func(err error) error {
		if closed := results.Close(); err == nil {
			err = explained(text, closed)
		}
		t.read(err)
		return err
	}}
	return t.reading, nil
}

func (t *postgresTx) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := t.Query(ctx, text, args...)
	return row{rows, err}
}

func (t *postgresTx) Run(ctx context.Context, b *Batch) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	var out pgx.Batch
	begins := t.begin(&out)
	if err := b.queue(&out); err != nil {
		return t.note(err)
	}
	results := t.send(ctx, &out)
	if err := skip(results, begins); err != nil {
		return t.note(explained("BEGIN", errors.Join(err, results.Close())))
	}
	return t.note(b.receive(results))
}

// SkipLocked lets several replicas claim different rows.
func (t *postgresTx) SkipLocked() string { return " FOR UPDATE SKIP LOCKED" }

// ForUpdate lets several replicas change the same rows in turn.
func (t *postgresTx) ForUpdate() string { return " FOR UPDATE" }

// begin puts the beginning of the transaction in front, if it is yet to come,
// and says how many statements that is.
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

func (t *postgresTx) send(ctx context.Context, out *pgx.Batch) pgx.BatchResults {
	results := t.conn.SendBatch(ctx, out)
	if tx := results.Tx(); tx != nil {
		t.tx = tx
	}
	return results
}

func skip(results pgx.BatchResults, n int) error {
	for range n {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	return nil
}

// hears says whether anybody listens to b's results, and could object.
func (b *Batch) hears() bool {
	for _, item := range b.items {
		if item.each != nil || item.exec != nil {
			return true
		}
	}
	return false
}

// queue adds b's statements to out.
func (b *Batch) queue(out *pgx.Batch) error {
	for _, item := range b.items {
		args, err := checked(item.args)
		if err != nil {
			return err
		}
		out.Queue(item.sql, args...)
	}
	return nil
}

// receive hands out the results of b's statements and closes them.
func (b *Batch) receive(results pgx.BatchResults) error {
	for _, item := range b.items {
		if err := item.receive(results); err != nil {
			_ = results.Close() // reads the rest; the first error counts
			return err
		}
	}
	return results.Close()
}

func (item batchItem) receive(results pgx.BatchResults) error {
	if item.each == nil {
		tag, err := results.Exec()
		if err != nil || item.exec == nil {
			return explained(item.sql, err)
		}
		return item.exec(tag.RowsAffected())
	}
	rows, _ := results.Query() // an error is in rows too
	defer rows.Close()
	for rows.Next() {
		if err := item.each(rows); err != nil {
			return err
		}
	}
	return explained(item.sql, rows.Err())
}
