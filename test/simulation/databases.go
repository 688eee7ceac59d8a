package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
)

// databasePool holds the databases that one run after the other uses: emptying a
// database takes a fraction of the time of creating it.
type databasePool struct {
	dbs    map[string]sqldb.DB
	signer *auth.Signer
}

func newDatabasePool() (*databasePool, error) {
	key, err := auth.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(key)
	return &databasePool{dbs: map[string]sqldb.DB{}, signer: signer}, err
}

// get returns an empty database with the service's tables and triggers.
func (d *databasePool) get(ctx context.Context, s app.Service) (sqldb.DB, error) {
	if db := d.dbs[s.Name]; db != nil {
		return db, empty(ctx, db)
	}
	db, err := sqldb.Open(ctx, "sqlite::memory:", sqldb.Options{NoGroupCommit: true, MaxConns: 2})
	if err != nil {
		return nil, err
	}
	d.dbs[s.Name] = db
	if err := sqldb.Migrate(ctx, db, app.Migrations(s)...); err != nil {
		return nil, fmt.Errorf("create the tables of %s: %w", s.Name, err)
	}
	return db, createTriggers(ctx, db, s.Name)
}

// notEmptied are the tables that are not emptied: they hold no data of a run.
var notEmptied = []string{"schema_migrations", "stock_turn", "sqlite_sequence"}

// empty deletes all rows of a run.
func empty(ctx context.Context, db sqldb.DB) error {
	tables, err := sqldb.All(ctx, db, func(r sqldb.Row) (name string, err error) { return name, r.Scan(&name) },
		"SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name DESC")
	if err != nil {
		return err
	}
	return db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		if err := emptyAuditLog(ctx, tx); err != nil {
			return err
		}
		for _, table := range append(tables, "sim_changes") { // again, because the triggers of the other tables wrote there
			if slices.Contains(notEmptied, table) {
				continue
			}
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return fmt.Errorf("empty %s: %w", table, err)
			}
		}
		return nil
	})
}

// emptyAuditLog lets the retention of all entries end and deletes them.
func emptyAuditLog(ctx context.Context, tx sqldb.Tx) error {
	for _, statement := range []string{
		"DELETE FROM audit_retention",
		"INSERT INTO audit_retention (service, keep_from) SELECT DISTINCT service, 9223372036854775807 FROM audit_log",
		"DELETE FROM audit_log",
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("empty the audit log: %w", err)
		}
	}
	return nil
}

// Close closes the databases.
func (d *databasePool) Close() error {
	var errs []error
	for _, db := range d.dbs {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}
