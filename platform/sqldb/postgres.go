package sqldb

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresDB runs statements on a pool of native pgx connections. Each connection
// keeps its statements prepared.
type postgresDB struct {
	pool   *pgxpool.Pool
	closed atomic.Bool
}

func (d *postgresDB) Exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	if _, err := d.enterTx(ctx); err != nil {
		return 0, err
	}
	if args, err = checkArgs(args); err != nil {
		return 0, err
	}
	err = retry(ctx, func() error {
		tag, err := d.pool.Exec(ctx, text, args...)
		n = tag.RowsAffected()
		return wrapPostgres(text, err)
	})
	return n, err
}

func (d *postgresDB) Query(ctx context.Context, text string, args ...any) (Rows, error) {
	if d.closed.Load() {
		return nil, ErrClosed
	}
	if !isSelect(text) {
		return nil, errNeedsTx
	}
	args, err := checkArgs(args)
	if err != nil {
		return nil, err
	}
	rows, err := d.pool.Query(ctx, text, args...)
	if err != nil {
		return nil, wrapPostgres(text, err)
	}
	return &postgresRows{Rows: rows, text: text}, nil
}

func (d *postgresDB) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := d.Query(ctx, text, args...)
	return row{rows, err}
}

// Run sends a batch without callbacks as one pipeline, with no BEGIN: the server treats
// a pipeline as one transaction. A batch with callbacks that writes needs a real
// transaction, because a callback may still fail when the statements have run.
func (d *postgresDB) Run(ctx context.Context, b *Batch) error {
	if !b.ReadsOnly() && b.hasCallbacks() {
		return d.Tx(ctx, func(ctx context.Context, tx Tx) error { return tx.Run(ctx, b) })
	}
	if _, err := d.enterTx(ctx); err != nil && !b.ReadsOnly() {
		return err
	}
	return retry(ctx, func() error {
		var out pgx.Batch
		if err := b.queue(&out); err != nil {
			return err
		}
		return b.receive(d.pool.SendBatch(ctx, &out))
	})
}

func (d *postgresDB) Tx(ctx context.Context, fn func(context.Context, Tx) error) error {
	return d.transact(ctx, false, fn)
}

func (d *postgresDB) TxRelaxed(ctx context.Context, fn func(context.Context, Tx) error) error {
	return d.transact(ctx, true, fn)
}

// transact runs fn in a transaction on one connection, and again if the transaction
// could not be committed through no fault of fn.
func (d *postgresDB) transact(ctx context.Context, relaxed bool, fn func(context.Context, Tx) error) error {
	inside, err := d.enterTx(ctx)
	if err != nil {
		return err
	}
	return retry(ctx, func() error {
		conn, err := d.pool.Acquire(ctx)
		if err != nil {
			return wrapPostgres("acquire a connection", err)
		}
		defer conn.Release()
		t := &postgresTx{conn: conn.Conn(), relaxed: relaxed}
		return t.run(inside, fn)
	})
}

// enterTx returns ctx marked as inside a transaction, or the error why none may begin.
func (d *postgresDB) enterTx(ctx context.Context) (context.Context, error) {
	if d.closed.Load() {
		return nil, ErrClosed
	}
	return markInTx(ctx)
}

func (d *postgresDB) Ping(ctx context.Context) error { return d.pool.Ping(ctx) }

// Close waits until the connections in use are released.
func (d *postgresDB) Close() error {
	d.closed.Store(true)
	d.pool.Close()
	return nil
}
