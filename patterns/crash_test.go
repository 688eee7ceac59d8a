package patterns_test

import (
	"context"
	"errors"

	"troupe/platform/sqldb"
)

var errCrashed = errors.New("the process has crashed")

// tick is called before every operation. It returns errCrashed if none is left.
func (p *process) tick() error {
	if p.left == 0 {
		return errCrashed
	}
	p.left--
	return nil
}

// crashingDB is a database as seen by a process that can crash before any
// statement, before a commit, and after a commit before it receives the answer.
type crashingDB struct {
	sqldb.DB
	process *process
}

func (c crashingDB) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return c.transact(ctx, c.DB.Tx, fn)
}

func (c crashingDB) TxRelaxed(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return c.transact(ctx, c.DB.TxRelaxed, fn)
}

func (c crashingDB) transact(ctx context.Context, tx func(context.Context, func(context.Context, sqldb.Tx) error) error,
	fn func(context.Context, sqldb.Tx) error,
) error {
	err := tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := fn(ctx, crashingTx{crashingQuerier{tx, c.process}, tx}); err != nil {
			return err
		}
		return c.process.tick()
	})
	if err != nil {
		return err
	}
	return c.process.tick()
}

func (c crashingDB) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	return crashingQuerier{c.DB, c.process}.Exec(ctx, sql, args...)
}

func (c crashingDB) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	return crashingQuerier{c.DB, c.process}.Query(ctx, sql, args...)
}

func (c crashingDB) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	return crashingQuerier{c.DB, c.process}.QueryRow(ctx, sql, args...)
}

func (c crashingDB) Run(ctx context.Context, b *sqldb.Batch) error {
	return crashingQuerier{c.DB, c.process}.Run(ctx, b)
}

func (c crashingDB) Ping(ctx context.Context) error {
	if err := c.process.tick(); err != nil {
		return err
	}
	return c.DB.Ping(ctx)
}

// crashingTx is a transaction of a crashingDB.
type crashingTx struct {
	crashingQuerier
	tx sqldb.Tx
}

func (c crashingTx) OnCommit(f func())  { c.tx.OnCommit(f) }
func (c crashingTx) SkipLocked() string { return c.tx.SkipLocked() }
func (c crashingTx) ForUpdate() string  { return c.tx.ForUpdate() }
func (c crashingTx) ForShare() string   { return c.tx.ForShare() }

// crashingQuerier runs the statements of a process that can crash before each.
type crashingQuerier struct {
	sqldb.Querier
	process *process
}

func (c crashingQuerier) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := c.process.tick(); err != nil {
		return 0, err
	}
	return c.Querier.Exec(ctx, sql, args...)
}

func (c crashingQuerier) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if err := c.process.tick(); err != nil {
		return nil, err
	}
	return c.Querier.Query(ctx, sql, args...)
}

func (c crashingQuerier) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	if err := c.process.tick(); err != nil {
		return failedRow{err}
	}
	return c.Querier.QueryRow(ctx, sql, args...)
}

func (c crashingQuerier) Run(ctx context.Context, b *sqldb.Batch) error {
	if err := c.process.tick(); err != nil {
		return err
	}
	return c.Querier.Run(ctx, b)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
