package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"troupe/platform/fault"
)

// What PostgreSQL calls the errors that are told apart here.
const (
	pgBadText            = "22021"
	pgUniqueViolation    = "23505"
	pgNotAuthorized      = "28000"
	pgWrongPassword      = "28P01"
	pgNoSuchDatabase     = "3D000"
	pgSerialization      = "40001"
	pgDeadlock           = "40P01"
	pgNotAllowed         = "42501"
	pgTooManyConnections = "53300"
	pgStopping           = "57P01"
	pgCrashed            = "57P02"
	pgStarting           = "57P03"
)

// maxTries bounds how often a transaction that lost a race is run.
const maxTries = 6

// takeMigrationLock is what programs that migrate the same schema take turns by.
const takeMigrationLock = "SELECT pg_advisory_lock(hashtext('troupe migrations'), hashtext(current_schema()))"

// postgresDB runs on a pool of native pgx connections, each of which keeps its
// statements prepared.
type postgresDB struct {
	pool   *pgxpool.Pool
	closed atomic.Bool
}

func (d *postgresDB) Exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	if _, err := d.enter(ctx); err != nil {
		return 0, err
	}
	if args, err = checked(args); err != nil {
		return 0, err
	}
	err = retried(ctx, func() error {
		tag, err := d.pool.Exec(ctx, text, args...)
		n = tag.RowsAffected()
		return explained(text, err)
	})
	return n, err
}

func (d *postgresDB) Query(ctx context.Context, text string, args ...any) (Rows, error) {
	if d.closed.Load() {
		return nil, ErrClosed
	}
	if !isSelect(text) {
		return nil, errReads
	}
	args, err := checked(args)
	if err != nil {
		return nil, err
	}
	rows, err := d.pool.Query(ctx, text, args...)
	if err != nil {
		return nil, explained(text, err)
	}
	return &postgresRows{Rows: rows, text: text}, nil
}

func (d *postgresDB) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := d.Query(ctx, text, args...)
	return row{rows, err}
}

// Run needs no BEGIN for a batch that cannot fail halfway for reasons of ours:
// the server treats what comes in one go as one transaction.
func (d *postgresDB) Run(ctx context.Context, b *Batch) error {
	if !b.ReadsOnly() && b.hears() {
		return d.Tx(ctx, func(ctx context.Context, tx Tx) error { return tx.Run(ctx, b) })
	}
	if _, err := d.enter(ctx); err != nil && !b.ReadsOnly() {
		return err
	}
	return retried(ctx, func() error {
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

func (d *postgresDB) transact(ctx context.Context, relaxed bool, fn func(context.Context, Tx) error) error {
	inside, err := d.enter(ctx)
	if err != nil {
		return err
	}
	return retried(ctx, func() error {
		conn, err := d.pool.Acquire(ctx)
		if err != nil {
			return explained("acquire a connection", err)
		}
		defer conn.Release()
		t := &postgresTx{conn: conn.Conn(), relaxed: relaxed}
		return t.run(inside, fn)
	})
}

// enter marks ctx as inside a transaction that may begin.
func (d *postgresDB) enter(ctx context.Context) (context.Context, error) {
	if d.closed.Load() {
		return nil, ErrClosed
	}
	return enter(ctx)
}

func (d *postgresDB) Ping(ctx context.Context) error { return d.pool.Ping(ctx) }

// Close waits for the connections in use.
func (d *postgresDB) Close() error {
	d.closed.Store(true)
	d.pool.Close()
	return nil
}

func (d *postgresDB) dialect() goose.Dialect { return goose.DialectPostgres }

func (d *postgresDB) hasTable(ctx context.Context, name string) (bool, error) {
	var has bool
	err := d.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&has)
	return has, err
}

// exclusively holds a lock that lives and dies with a connection of its own.
func (d *postgresDB) exclusively(ctx context.Context, f func(*sql.DB) error) error {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connect for the migration lock: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // gives the lock back
	if _, err := conn.Exec(ctx, takeMigrationLock); err != nil {
		return fmt.Errorf("wait for the migration lock: %w", err)
	}
	conns := stdlib.OpenDBFromPool(d.pool)
	return advised(ctx, conn, errors.Join(f(conns), conns.Close()))
}

// advised says what to do about a role that may not make tables, as no role but
// the database's owner may in the schema public since PostgreSQL 15.
func advised(ctx context.Context, conn *pgx.Conn, err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != pgNotAllowed {
		return err
	}
	var user, database, schema string
	var may bool
	asked := conn.QueryRow(ctx, "SELECT current_user, current_database(), current_schema(), has_schema_privilege(current_schema(), 'CREATE')")
	if asked.Scan(&user, &database, &schema, &may) != nil || may {
		return err // not for this reason
	}
	quoted := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	return fmt.Errorf("PostgreSQL does not let user %q make tables in schema %q of database %q: "+
		"have an administrator run there GRANT CREATE ON SCHEMA %s TO %s; or, for the schema public, ALTER DATABASE %s OWNER TO %s; %w",
		user, schema, database, quoted(schema), quoted(user), quoted(database), quoted(user), err)
}

// retried runs f again if it lost a race or never reached the server.
func retried(ctx context.Context, f func() error) error {
	wait := 2 * time.Millisecond
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == maxTries || !lostRace(err) {
			return err
		}
		select {
		case <-time.After(rand.N(wait)):
		case <-ctx.Done():
			return err
		}
		wait *= 4
	}
}

func lostRace(err error) bool {
	if _, ok := errors.AsType[undoneError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == pgSerialization || e.Code == pgDeadlock
	}
	return pgconn.SafeToRetry(err)
}

// explained is failed for errors of PostgreSQL.
func explained(text string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == pgBadText {
		return errBadText.WithCause(err)
	}
	said := failed(text, err)
	if fault.KindOf(err) == fault.Internal && away(err) {
		return errAway.WithCause(said)
	}
	return said
}

// away says that there is no server to talk to, or none that takes statements
// now: it starts, stops, or has as many connections as it can.
func away(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // whoever asked has given up
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case pgTooManyConnections, pgStopping, pgCrashed, pgStarting:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed)
}

// postgresRows are Rows that tell, once, when they are through.
type postgresRows struct {
	pgx.Rows
	text  string
	err   error
	done  bool
	after func(error) error // may be nil; its error counts if there is no other
}

func (r *postgresRows) Next() bool {
	if !r.done && r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *postgresRows) Err() error { return r.err }

func (r *postgresRows) Close() {
	if r.done {
		return
	}
	r.done = true
	r.Rows.Close()
	r.err = explained(r.text, r.Rows.Err())
	if r.after != nil {
		r.err = r.after(r.err)
	}
}
