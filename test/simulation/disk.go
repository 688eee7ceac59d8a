package simulation

import (
	"context"
	"errors"

	"troupe/platform/sqldb"
)

var (
	errDead   = errors.New("the process is dead")
	errHiccup = errors.New("the database has a hiccup")
)

// life is what is ahead of a process, counted in what it does to the world
// outside of it: statements, commits, publishing.
type life struct {
	left   int // operations until it dies
	dead   bool
	smooth int  // operations until one fails, and the process goes on
	hurt   bool // one has failed
}

// forever is more operations than any simulation has.
const forever = 1 << 60

func newLife() *life { return &life{left: forever, smooth: forever} }

// tick is called before every operation, and says whether it can be done.
func (l *life) tick() error {
	if l.left <= 0 {
		l.dead = true
	}
	if l.dead {
		return errDead
	}
	l.left--
	if l.smooth--; l.smooth == 0 {
		l.hurt = true
		return errHiccup
	}
	return nil
}

// disk is a service's database as a process sees it that may die before any
// statement, before a commit, and after a commit of which it then never hears;
// or that lives, and sees one of these fail. What was committed outlives the
// process; nothing else does.
type disk struct {
	sqldb.DB
	life      *life
	service   string
	fault     *Fault
	committed *bool // set when anything was
}

func (d disk) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return d.transact(ctx, d.DB.Tx, fn)
}

func (d disk) TxRelaxed(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return d.transact(ctx, d.DB.TxRelaxed, fn)
}

func (d disk) transact(ctx context.Context, begin func(context.Context, func(context.Context, sqldb.Tx) error) error,
	fn func(context.Context, sqldb.Tx) error,
) error {
	if err := d.life.tick(); err != nil {
		return err
	}
	err := begin(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var doomed error
		if err := fn(ctx, diskTx{statements{tx, d, &doomed}, tx}); err != nil {
			return err
		}
		if doomed != nil {
			return doomed
		}
		if err := d.fault.beforeCommit(ctx, d.service, tx); err != nil {
			return err
		}
		return d.life.tick()
	})
	if err != nil {
		return err
	}
	*d.committed = true
	return d.life.tick()
}

// A statement by itself is a transaction too; Tx makes it one that can be cut short.

func (d disk) Exec(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err = tx.Exec(ctx, sql, args...)
		return err
	})
	return n, err
}

func (d disk) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	return statements{d.DB, d, new(error)}.Query(ctx, sql, args...)
}

func (d disk) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	return statements{d.DB, d, new(error)}.QueryRow(ctx, sql, args...)
}

func (d disk) Run(ctx context.Context, b *sqldb.Batch) error {
	if b.ReadsOnly() {
		return sqldb.RunEach(ctx, d, b)
	}
	return d.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return tx.Run(ctx, b) })
}

func (d disk) Ping(ctx context.Context) error {
	if err := d.life.tick(); err != nil {
		return err
	}
	return d.DB.Ping(ctx)
}

// diskTx has the statements of a process that may die, and the rest of Tx.
type diskTx struct {
	statements
	tx sqldb.Tx
}

func (t diskTx) OnCommit(f func()) {
	if !t.disk.fault.deafTo(t.disk.service) {
		t.tx.OnCommit(f)
	}
}

func (t diskTx) SkipLocked() string { return t.tx.SkipLocked() }
func (t diskTx) ForUpdate() string  { return t.tx.ForUpdate() }

func (t diskTx) Run(ctx context.Context, b *sqldb.Batch) error { return sqldb.RunEach(ctx, t, b) }

type statements struct {
	sqldb.Querier
	disk   disk
	doomed *error // a statement failed: nothing is left but rolling back
}

// ready says whether the next statement can be run.
func (s statements) ready() error {
	if *s.doomed == nil {
		*s.doomed = s.disk.life.tick()
	}
	return *s.doomed
}

func (s statements) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := s.ready(); err != nil {
		return 0, err
	}
	sql, args = s.disk.fault.rewrite(s.disk.service, sql, args)
	return s.Querier.Exec(ctx, sql, args...)
}

func (s statements) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	sql, args = s.disk.fault.rewrite(s.disk.service, sql, args)
	return s.Querier.Query(ctx, sql, args...)
}

func (s statements) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	if err := s.ready(); err != nil {
		return deadRow{err}
	}
	sql, args = s.disk.fault.rewrite(s.disk.service, sql, args)
	return s.Querier.QueryRow(ctx, sql, args...)
}

type deadRow struct{ err error }

func (d deadRow) Scan(...any) error { return d.err }
