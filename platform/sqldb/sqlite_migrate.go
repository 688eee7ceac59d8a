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

// exclusively runs f while it holds the writer's turn. That is enough, because the
// file belongs to one process.
func (d *sqliteDB) exclusively(ctx context.Context, f func(*sql.DB) error) error {
	return d.writer.exclusively(ctx, func() error { return f(d.pool) })
}
