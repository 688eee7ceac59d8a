package patterns_test

import (
	"context"
	"errors"

	"troupe/platform/sqldb"
)

var errDead = errors.New("the process is dead")

// life ends at some operation.
type life interface{ tick() error }

// tick is called before every operation and says whether the process still lives.
func (p *process) tick() error {
	if p.left == 0 {
		return errDead
	}
	p.left--
	return nil
}

// mortal is a database as a process sees it that may die before any statement,
// before a commit, and after a commit whose answer it then never hears.
type mortal struct {
	sqldb.DB
	life life
}

func (m mortal) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return m.transact(ctx, m.DB.Tx, fn)
}

func (m mortal) TxRelaxed(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return m.transact(ctx, m.DB.TxRelaxed, fn)
}

func (m mortal) transact(ctx context.Context, tx func(context.Context, func(context.Context, sqldb.Tx) error) error,
	fn func(context.Context, sqldb.Tx) error,
) error {
	err := tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := fn(ctx, mortalTx{mortalStatements{tx, m.life}, tx}); err != nil {
			return err
		}
		return m.life.tick()
	})
	if err != nil {
		return err
	}
	return m.life.tick()
}

func (m mortal) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	return mortalStatements{m.DB, m.life}.Exec(ctx, sql, args...)
}

func (m mortal) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	return mortalStatements{m.DB, m.life}.Query(ctx, sql, args...)
}

func (m mortal) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	return mortalStatements{m.DB, m.life}.QueryRow(ctx, sql, args...)
}

func (m mortal) Run(ctx context.Context, b *sqldb.Batch) error {
	return mortalStatements{m.DB, m.life}.Run(ctx, b)
}

func (m mortal) Ping(ctx context.Context) error {
	if err := m.life.tick(); err != nil {
		return err
	}
	return m.DB.Ping(ctx)
}

// mortalTx has the statements of a process that may die, and the rest of Tx.
type mortalTx struct {
	mortalStatements
	tx sqldb.Tx
}

func (m mortalTx) OnCommit(f func())  { m.tx.OnCommit(f) }
func (m mortalTx) SkipLocked() string { return m.tx.SkipLocked() }
func (m mortalTx) ForUpdate() string  { return m.tx.ForUpdate() }

type mortalStatements struct {
	sqldb.Querier
	life life
}

func (m mortalStatements) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := m.life.tick(); err != nil {
		return 0, err
	}
	return m.Querier.Exec(ctx, sql, args...)
}

func (m mortalStatements) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if err := m.life.tick(); err != nil {
		return nil, err
	}
	return m.Querier.Query(ctx, sql, args...)
}

func (m mortalStatements) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	if err := m.life.tick(); err != nil {
		return deadRow{err}
	}
	return m.Querier.QueryRow(ctx, sql, args...)
}

func (m mortalStatements) Run(ctx context.Context, b *sqldb.Batch) error {
	if err := m.life.tick(); err != nil {
		return err
	}
	return m.Querier.Run(ctx, b)
}

type deadRow struct{ err error }

func (d deadRow) Scan(...any) error { return d.err }
