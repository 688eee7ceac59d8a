// Package sqldb is a small seam over two databases: SQLite (one file, group
// commit) and PostgreSQL (native pgx, pipelined batches). SQL is written once,
// in the subset that both take:
//
//   - $1..$n for arguments; ids are text made in Go; times are BIGINT
//     microseconds passed from Go; JSON is TEXT; bool is BOOLEAN
//   - ON CONFLICT and RETURNING; an optimistic version column instead of FOR UPDATE
//   - no now(), no arrays, no dialect functions; lists by InsertRows and In
//
// What the two would do differently is made alike, so that a test on one says
// something about the other: a statement that fails dooms its transaction, rows
// are closed before the next statement, text with null characters or broken
// UTF-8 is refused (fault.Invalid, code bad_text), a statement whose context is
// over is not begun, and only a Tx writes RETURNING.
package sqldb

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrNoRows is what Row.Scan returns when there is none.
var ErrNoRows = errors.New("sqldb: no rows")

// Rows are the rows of a query. Close may be called twice.
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

// Querier runs statements: on a DB each by itself, on a Tx all or nothing.
type Querier interface {
	// Exec runs a statement and says how many rows it touched.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Query runs a statement that returns rows. On a DB it may only read.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) Row
	// Run sends the statements of b, in one round trip where the database can.
	// It returns the first error; on a DB the statements are one transaction.
	Run(ctx context.Context, b *Batch) error
}

// Tx is a transaction. Statements of one Tx must not run concurrently.
type Tx interface {
	Querier
	// OnCommit has f called once the transaction is durable, and never if it is
	// not. f must be quick.
	OnCommit(f func())
	// SkipLocked is what a SELECT ends with that claims rows for this
	// transaction: " FOR UPDATE SKIP LOCKED" where several writers can meet,
	// nothing where there is only one.
	SkipLocked() string
	// ForUpdate is the same for a SELECT that waits for the rows instead of
	// leaving out those that others have: " FOR UPDATE", or nothing.
	ForUpdate() string
}

// DB is one service's database. A duplicate key is reported so that
// IsDuplicate holds; a lost race (serialization, deadlock) is retried inside Tx.
type DB interface {
	Querier
	// Tx runs fn in a transaction: committed, durably, if fn returns nil; undone
	// otherwise, and Tx returns fn's error. fn may run more than once and must
	// not call the outside. On SQLite many callers' transactions share one disk
	// flush (group commit), each still succeeding or failing alone.
	Tx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// TxRelaxed is Tx whose commit a power loss may undo. Only for work that
	// is safe to repeat: the outbox relay's delete.
	TxRelaxed(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Ping says whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}

// Options tune Open.
type Options struct {
	// NoGroupCommit runs each SQLite transaction by itself on the caller's
	// goroutine: for simulations that crash in the middle of one.
	NoGroupCommit bool
	// Log hears of a PostgreSQL that is waited for; nil means slog.Default().
	Log *slog.Logger
	// MaxConns limits PostgreSQL connections and SQLite readers; 0 means what a
	// PostgreSQL URL says in pool_max_conns, or else a sensible default.
	MaxConns int
}

// Batch is a list of statements to be sent together.
type Batch struct {
	items []batchItem
}

type batchItem struct {
	sql  string
	args []any
	exec func(affected int64) error
	each func(Row) error
}

// Exec adds a statement; then, if not nil, hears how many rows it touched.
func (b *Batch) Exec(then func(affected int64) error, sql string, args ...any) {
	b.items = append(b.items, batchItem{sql: sql, args: args, exec: then})
}

// Query adds a statement; each is called with every row it returns.
func (b *Batch) Query(each func(Row) error, sql string, args ...any) {
	b.items = append(b.items, batchItem{sql: sql, args: args, each: each})
}

// Len is the number of statements.
func (b *Batch) Len() int { return len(b.items) }

// Micros is how a time is stored.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the reverse of Micros, in UTC.
func Time(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
