package sqldb

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrNoRows is the error of Row.Scan when the query found no row.
var ErrNoRows = errors.New("sqldb: no rows")

// Rows are the rows of a query: call Next until it returns false, then look at Err.
// Close may be called more than once.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// Row is the first row of a query.
type Row interface {
	Scan(dest ...any) error
}

// Querier runs statements: on a DB each is a transaction of its own, on a Tx all of
// them are one.
type Querier interface {
	// Exec runs a statement and returns the number of rows it affected.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Query runs a statement that returns rows. On a DB it may only read.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
	// QueryRow runs a query for its first row. Its error is returned by Scan.
	QueryRow(ctx context.Context, sql string, args ...any) Row
	// Run runs the statements of b in order, in one round trip on PostgreSQL. It
	// returns the first error. On a DB the statements are one transaction.
	Run(ctx context.Context, b *Batch) error
}

// Tx is a transaction. Statements of one Tx must not run concurrently.
type Tx interface {
	Querier
	// OnCommit registers f to be called once, when the transaction is committed.
	// f is never called if the transaction fails. f must be quick.
	OnCommit(f func())
	// SkipLocked returns the end of a SELECT that claims rows for this
	// transaction and leaves out those that others have locked:
	// " FOR UPDATE SKIP LOCKED" on PostgreSQL, "" on SQLite, which has one writer.
	SkipLocked() string
	// ForUpdate returns the end of a SELECT that waits for locked rows instead of
	// leaving them out: " FOR UPDATE" on PostgreSQL, "" on SQLite.
	ForUpdate() string
	// ForShare returns the end of a SELECT whose rows no other transaction may change
	// until this one ends, although others may read them in the same way: " FOR SHARE" on
	// PostgreSQL, "" on SQLite.
	ForShare() string
}

// DB is one service's database. Serialization failures, deadlocks
// and rows that another transaction has just inserted are retried inside Tx.
type DB interface {
	Querier
	// Tx runs fn in a transaction. If fn returns nil the transaction is committed
	// durably; otherwise it is rolled back and Tx returns fn's error. fn may run
	// more than once and must not call other systems. On SQLite the transactions
	// of many callers share one disk flush (group commit); one that fails does not
	// harm the others.
	Tx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// TxRelaxed is like Tx, but a power loss may undo the commit. Use it only for
	// work that is safe to repeat, such as the outbox relay's delete.
	TxRelaxed(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Ping returns nil if the database answers.
	Ping(ctx context.Context) error
	// Close waits for the transactions that run, refuses those that have not begun,
	// and closes all connections. It may be called more than once.
	Close() error
}

// Options are optional settings of Open.
type Options struct {
	// NoGroupCommit commits each SQLite transaction by itself. It is for
	// simulations that crash in the middle of one.
	NoGroupCommit bool
	// Log receives a warning each time PostgreSQL does not answer while Open waits
	// for it, and one for each SQLite file that others could read; nil means
	// slog.Default().
	Log *slog.Logger
	// MaxConns limits the PostgreSQL connections or the SQLite readers. 0 means the
	// value of pool_max_conns in a PostgreSQL URL, or else a default: 16 PostgreSQL
	// connections, or twice as many SQLite readers as CPUs (4 at least).
	MaxConns int
}

// Batch is a list of statements that are sent together and run in order. An error of
// a callback fails the batch like an error of a statement.
type Batch struct {
	items []batchItem
}

// batchItem is one statement of a batch: a query if onRow is set, else an exec.
type batchItem struct {
	sql    string
	args   []any
	onExec func(affected int64) error
	onRow  func(Row) error
}

// Exec adds a statement. done, if not nil, is called with the number of rows that
// the statement affected.
func (b *Batch) Exec(done func(affected int64) error, sql string, args ...any) {
	b.items = append(b.items, batchItem{sql: sql, args: args, onExec: done})
}

// Query adds a query. each is called with every row it returns.
func (b *Batch) Query(each func(Row) error, sql string, args ...any) {
	b.items = append(b.items, batchItem{sql: sql, args: args, onRow: each})
}

// Len returns the number of statements.
func (b *Batch) Len() int { return len(b.items) }

// Micros returns t as it is stored: in microseconds since 1970.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the reverse of Micros: it returns the stored time, in UTC.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
