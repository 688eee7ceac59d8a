package simulation

import (
	"context"
	"errors"
	"strings"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

var (
	errCrashed = errors.New("the process has crashed")
	errStorage = errors.New("the database fails for a moment")
	errTimeout = errors.New("the provider does not answer")
	// errFull is what a database returns that cannot store anything.
	errFull = fault.New(fault.Unavailable, "storage_full", "no space left on the device")
)

// process is the fate of a service's process, counted in its operations: statements,
// commits, publishing.
type process struct {
	untilCrash int // operations until it crashes
	crashed    bool
	untilError int    // operations until one fails without a crash
	failure    string // what has failed without a crash
	diskFull   bool   // the database can be read but not written
}

// forever is more operations than any simulation has.
const forever = 1 << 60

// newProcess returns a process without faults ahead.
func newProcess() *process { return &process{untilCrash: forever, untilError: forever} }

// operation is called before every operation, and returns an error if it fails.
func (p *process) operation() error {
	if p.untilCrash <= 0 {
		p.crashed = true
	}
	if p.crashed {
		return errCrashed
	}
	p.untilCrash--
	if p.untilError--; p.untilError == 0 {
		p.failure = errStorage.Error()
		return errStorage
	}
	return nil
}

// write is called before every statement that writes, and returns an error if it fails.
func (p *process) write() error {
	if !p.diskFull {
		return nil
	}
	p.failure = errFull.Error()
	return errFull
}

// fillDisk has every statement of the service fail that writes.
func (n *node) fillDisk() {
	n.run.record(n.name, "its disk is full")
	n.diskFull, n.process.diskFull = true, true
}

func (n *node) clearDisk() {
	n.run.record(n.name, "its disk has room again")
	n.diskFull, n.process.diskFull = false, false
}

// faultyDB is a service's database with crashes and errors: the process may crash
// before any statement, before a commit, and after a commit whose result it then
// never gets; or any of these fails and the process goes on. What was committed
// survives the process; nothing else does.
type faultyDB struct {
	sqldb.DB
	process   *process
	service   string
	bug       *Bug
	committed *bool // set when anything was committed
	// losesCall reports whether a call to the payment provider, or its response, gets
	// lost. The provider's ledger is in this database too, but the provider is not
	// part of this process.
	losesCall func() bool
}

func (d faultyDB) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return d.transact(ctx, d.DB.Tx, fn)
}

func (d faultyDB) TxRelaxed(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	return d.transact(ctx, d.DB.TxRelaxed, fn)
}

func (d faultyDB) transact(ctx context.Context, begin func(context.Context, func(context.Context, sqldb.Tx) error) error,
	fn func(context.Context, sqldb.Tx) error,
) error {
	if err := d.process.operation(); err != nil {
		return err
	}
	var failed error
	providerCalled := false
	err := begin(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		s := statements{tx, d, &failed, &providerCalled}
		failed, providerCalled = nil, false
		if err := fn(ctx, faultyTx{s, tx}); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
		if err := d.bug.beforeCommit(ctx, d.service, tx); err != nil {
			return err
		}
		return d.process.operation()
	})
	if err != nil {
		return err
	}
	*d.committed = true
	if providerCalled && d.losesCall() {
		return errTimeout
	}
	return d.process.operation()
}

// A single statement is a transaction too; Tx makes it one in which the process can crash.

func (d faultyDB) Exec(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err = tx.Exec(ctx, sql, args...)
		return err
	})
	return n, err
}

func (d faultyDB) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	return statements{d.DB, d, new(error), new(bool)}.Query(ctx, sql, args...)
}

func (d faultyDB) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	return statements{d.DB, d, new(error), new(bool)}.QueryRow(ctx, sql, args...)
}

func (d faultyDB) Run(ctx context.Context, b *sqldb.Batch) error {
	if b.ReadsOnly() {
		return sqldb.RunEach(ctx, d, b)
	}
	return d.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return tx.Run(ctx, b) })
}

func (d faultyDB) Ping(ctx context.Context) error {
	if err := d.process.operation(); err != nil {
		return err
	}
	return d.DB.Ping(ctx)
}

// faultyTx is a transaction with faulty statements.
type faultyTx struct {
	statements
	tx sqldb.Tx
}

func (t faultyTx) OnCommit(f func()) {
	if !t.db.bug.wakesNobody(t.db.service) {
		t.tx.OnCommit(f)
	}
}

func (t faultyTx) SkipLocked() string { return t.tx.SkipLocked() }
func (t faultyTx) ForUpdate() string  { return t.tx.ForUpdate() }
func (t faultyTx) ForShare() string   { return t.tx.ForShare() }

func (t faultyTx) Run(ctx context.Context, b *sqldb.Batch) error { return sqldb.RunEach(ctx, t, b) }

type statements struct {
	sqldb.Querier
	db             faultyDB
	failed         *error // a statement has failed: the transaction can only roll back
	providerCalled *bool  // this is a transaction of the provider
}

// ready returns an error if the next statement fails.
func (s statements) ready(sql string) error {
	if *s.failed == nil {
		*s.failed = s.db.process.operation()
	}
	if *s.failed == nil && !strings.HasPrefix(strings.TrimLeft(sql, " \t\n("), "SELECT") {
		*s.failed = s.db.process.write()
	}
	if *s.failed == nil && !*s.providerCalled && strings.Contains(sql, "provider_ledger") {
		if *s.providerCalled = true; s.db.losesCall() {
			*s.failed = errTimeout
		}
	}
	return *s.failed
}

func (s statements) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := s.ready(sql); err != nil {
		return 0, err
	}
	sql, args = s.db.bug.rewrite(s.db.service, sql, args)
	return s.Querier.Exec(ctx, sql, args...)
}

func (s statements) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if err := s.ready(sql); err != nil {
		return nil, err
	}
	sql, args = s.db.bug.rewrite(s.db.service, sql, args)
	return s.Querier.Query(ctx, sql, args...)
}

func (s statements) QueryRow(ctx context.Context, sql string, args ...any) sqldb.Row {
	if err := s.ready(sql); err != nil {
		return errorRow{err}
	}
	sql, args = s.db.bug.rewrite(s.db.service, sql, args)
	return s.Querier.QueryRow(ctx, sql, args...)
}

type errorRow struct{ err error }

func (d errorRow) Scan(...any) error { return d.err }
