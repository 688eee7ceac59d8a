package simulation

import (
	"context"
	"errors"
	"strings"

	"troupe/platform/sqldb"
)

var (
	errDead    = errors.New("the process is dead")
	errHiccup  = errors.New("the database has a hiccup")
	errTimeout = errors.New("the provider does not answer")
)

// life is what is ahead of a process, counted in what it does to the world
// outside of it: statements, commits, publishing.
type life struct {
	left   int // operations until it dies
	dead   bool
	smooth int    // operations until one fails, and the process goes on
	hurt   string // what has failed meanwhile
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
		l.hurt = errHiccup.Error()
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
	// lost says whether a call to the payment provider, or its answer, gets lost.
	// The provider's books lie on this disk too, but it is not of this process.
	lost func() bool
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
	var doomed error
	called := false
	err := begin(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		s := statements{tx, d, &doomed, &called}
		doomed, called = nil, false
		if err := fn(ctx, diskTx{s, tx}); err != nil {
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
	if called && d.lost() {
		return errTimeout
	}
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
	return statements{d.DB, d, new(error), new(bool)}.Query(ctx, sql, args...)
}

func (d disk) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	return statements{d.DB, d, new(error), new(bool)}.QueryRow(ctx, sql, args...)
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
	called *bool  // this is the provider's transaction
}

// ready says whether the next statement can be run.
func (s statements) ready(sql string) error {
	if *s.doomed == nil {
		*s.doomed = s.disk.life.tick()
	}
	if *s.doomed == nil && !*s.called && strings.Contains(sql, "provider_ledger") {
		if *s.called = true; s.disk.lost() {
			*s.doomed = errTimeout
		}
	}
	return *s.doomed
}

func (s statements) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := s.ready(sql); err != nil {
		return 0, err
	}
	sql, args = s.disk.fault.rewrite(s.disk.service, sql, args)
	return s.Querier.Exec(ctx, sql, args...)
}

func (s statements) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if err := s.ready(sql); err != nil {
		return nil, err
	}
	sql, args = s.disk.fault.rewrite(s.disk.service, sql, args)
	return s.Querier.Query(ctx, sql, args...)
}

func (s statements) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	if err := s.ready(sql); err != nil {
		return deadRow{err}
	}
	sql, args = s.disk.fault.rewrite(s.disk.service, sql, args)
	return s.Querier.QueryRow(ctx, sql, args...)
}

type deadRow struct{ err error }

func (d deadRow) Scan(...any) error { return d.err }
