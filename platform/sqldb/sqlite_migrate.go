package sqldb

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

func (d *sqliteDB) dialect() goose.Dialect { return goose.DialectSQLite3 }

func (d *sqliteDB) hasTable(ctx context.Context, name string) (bool, error) {
	var n int
	err := d.QueryRow(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1", name).Scan(&n)
	return n > 0, err
}

// exclusively holds the writer's turn meanwhile. The file belongs to one
// process, so there is nobody else.
func (d *sqliteDB) exclusively(ctx context.Context, f func(*sql.DB) error) error {
	return d.writer.idle(ctx, func() error { return f(d.pool) })
}
