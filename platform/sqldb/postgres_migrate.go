package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// takeMigrationLock waits for the lock by which programs that migrate the same schema
// take turns. The server releases it when the connection ends.
const takeMigrationLock = "SELECT pg_advisory_lock(hashtext('troupe migrations'), hashtext(current_schema()))"

func (d *postgresDB) dialect() goose.Dialect { return goose.DialectPostgres }

func (d *postgresDB) hasTable(ctx context.Context, name string) (bool, error) {
	var has bool
	err := d.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&has)
	return has, err
}

// exclusively runs f while it holds the migration lock, on a connection of its own: the
// lock is released even if this program dies.
func (d *postgresDB) exclusively(ctx context.Context, f func(*sql.DB) error) error {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connect for the migration lock: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // releases the lock
	if _, err := conn.Exec(ctx, takeMigrationLock); err != nil {
		return fmt.Errorf("wait for the migration lock: %w", err)
	}
	conns := stdlib.OpenDBFromPool(d.pool)
	return withGrantAdvice(ctx, conn, errors.Join(f(conns), conns.Close()))
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
