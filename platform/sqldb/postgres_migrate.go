package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// takeMigrationLock takes the lock by which programs that migrate the same schema take
// turns, if it is free. The server releases it when the transaction ends. A lock of the
// session would stay behind in a pooler, which gives the session to the next client.
const takeMigrationLock = "SELECT pg_try_advisory_xact_lock(hashtext('troupe migrations'), hashtext(current_schema()))"

// lockInterval is how long a program waits before it tries to take the lock again. In
// the meantime it has no transaction: those that wait would use up a pooler's sessions,
// and leave none to the one that migrates.
const lockInterval = 100 * time.Millisecond

func (d *postgresDB) dialect() goose.Dialect { return goose.DialectPostgres }

// hasTable reports whether the table exists. It fails if the role has such a table in a
// schema to which its search_path does not lead: the settings of the role have changed,
// and its data must not be taken for missing.
func (d *postgresDB) hasTable(ctx context.Context, name string) (bool, error) {
	var has bool
	if err := d.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&has); err != nil || has {
		return has, err
	}
	inURL := parameter(d.pool.Config().ConnConfig, "search_path") != ""
	var role, path, here, elsewhere string
	err := d.QueryRow(ctx, `SELECT current_user, current_setting('search_path'), COALESCE(current_schema(), ''), COALESCE(min(schemaname::text), '')
		FROM pg_tables WHERE tablename = $1 AND tableowner = current_user AND schemaname <> ALL (current_schemas(false))`, name).Scan(&role, &path, &here, &elsewhere)
	switch {
	case err != nil:
		return false, err
	case here == "":
		return false, refusal(fmt.Sprintf("search_path of user %q is %s, which leads to no schema that exists and that the user may use: "+
			"ALTER ROLE %s SET search_path = public, or to another schema", role, path, pgx.Identifier{role}.Sanitize()))
	case elsewhere != "" && !inURL:
		return false, refusal(fmt.Sprintf("the tables are in schema %q, but search_path leads to %q: set search_path of the role to %q, "+
			"or add the parameter search_path with the right schema to the database URL", elsewhere, here, elsewhere))
	}
	return false, nil
}

// exclusively runs f while it holds the migration lock, on a connection of its own: the
// lock is released even if this program dies.
func (d *postgresDB) exclusively(ctx context.Context, f func(*sql.DB) error) error {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connect for the migration lock: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // releases the lock
	tx, err := lockMigrations(ctx, conn)
	if err != nil {
		return fmt.Errorf("wait for the migration lock: %w", err)
	}
	conns := stdlib.OpenDBFromPool(d.pool)
	err = withGrantAdvice(ctx, conn, errors.Join(f(conns), conns.Close()))
	return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
}

// lockMigrations waits for the lock and returns the transaction that has it.
func lockMigrations(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	for {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return nil, err
		}
		var locked bool
		if err := tx.QueryRow(ctx, takeMigrationLock).Scan(&locked); err != nil || locked {
			return tx, err
		}
		if err := tx.Rollback(ctx); err != nil {
			return nil, err
		}
		select {
		case <-time.After(lockInterval):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// withGrantAdvice adds to err what to do if the role lacks the privilege to create
// tables. Since PostgreSQL 15 only the owner of a database has it in the schema public.
func withGrantAdvice(ctx context.Context, conn *pgx.Conn, err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != pgNotAllowed {
		return err
	}
	var user, database, schema string
	var may bool
	row := conn.QueryRow(ctx, "SELECT current_user, current_database(), current_schema(), has_schema_privilege(current_schema(), 'CREATE')")
	if row.Scan(&user, &database, &schema, &may) != nil || may {
		return err // another permission is missing
	}
	quoted := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	return fmt.Errorf("PostgreSQL does not let user %q create tables in schema %q of database %q: "+
		"ask an administrator to run, in that database, GRANT CREATE ON SCHEMA %s TO %s; or, for the schema public, ALTER DATABASE %s OWNER TO %s: %w",
		user, schema, database, quoted(schema), quoted(user), quoted(database), quoted(user), err)
}
