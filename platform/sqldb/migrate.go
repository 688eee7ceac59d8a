package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// versionTable is the table of the migrations that are applied.
const versionTable = "schema_migrations"

// migratable is a DB with what Migrate needs beyond that.
type migratable interface {
	DB
	dialect() goose.Dialect
	// hasTable reports whether the current schema has a table of that name.
	hasTable(ctx context.Context, name string) (bool, error)
	// exclusively runs f while no other program migrates this schema.
	exclusively(ctx context.Context, f func(*sql.DB) error) error
}

// Migrate brings the schema up to date: it applies the *.sql files (goose format) of
// all sets that are not applied yet. Version numbers must not occur twice. A file
// *.postgres.sql or *.sqlite.sql is for that database only. Replicas that start
// together take turns. Migrate fails if the database is newer than the code.
//
// A version may be added below others that are applied already, because the sets of
// several packages grow independently.
func Migrate(ctx context.Context, db DB, sets ...fs.FS) error {
	m, ok := db.(migratable)
	if !ok {
		return fmt.Errorf("migrate: %T is not a database made by Open", db)
	}
	files, err := collect(m.dialect(), sets)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// A usual start has nothing to apply, and costs one query and no lock.
	if pending, err := hasPending(ctx, m, files); err != nil || !pending {
		return err
	}
	return m.exclusively(ctx, func(conns *sql.DB) error {
		if pending, err := hasPending(ctx, m, files); err != nil || !pending {
			return err
		}
		return apply(ctx, m.dialect(), conns, files)
	})
}

// apply runs the migrations that are not applied yet.
func apply(ctx context.Context, dialect goose.Dialect, conns *sql.DB, files migrations) error {
	p, err := goose.NewProvider(dialect, conns, files,
		goose.WithTableName(versionTable),
		goose.WithAllowOutofOrder(true),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	done, err := p.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		return fmt.Errorf("migrate: %s: %w", partial.Failed.Source.Path, partial.Err)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range done {
		slog.DebugContext(ctx, "migration applied", "file", r.Source.Path, "took", r.Duration)
	}
	return nil
}

// hasPending reports whether files contains a migration that is not applied. It fails
// if the database has one that files does not contain.
func hasPending(ctx context.Context, m migratable, files migrations) (bool, error) {
	applied, err := appliedVersions(ctx, m)
	if err != nil {
		return false, fmt.Errorf("read which migrations are applied: %w", err)
	}
	known := files.versions()
	for _, v := range applied {
		if _, ok := known[v]; !ok {
			return false, fmt.Errorf("the database has migration %05d, which this program does not know: "+
				"it was migrated by a newer version; start that version, or restore a backup from before", v)
		}
		delete(known, v)
	}
	return len(known) > 0, nil
}

// appliedVersions returns the versions that the database has, none if it is new.
func appliedVersions(ctx context.Context, m migratable) ([]int64, error) {
	if ok, err := m.hasTable(ctx, versionTable); err != nil || !ok {
		return nil, err
	}
	return All(ctx, m, func(r Row) (v int64, err error) { return v, r.Scan(&v) },
		"SELECT version_id FROM "+versionTable+" WHERE version_id > 0 AND is_applied")
}

// migrations are the files of several sets, by name. They are one flat file system,
// which is what goose reads.
type migrations map[string]migration

type migration struct {
	set     fs.FS
	path    string
	version int64
}

// collect returns the files that are for the dialect.
func collect(dialect goose.Dialect, sets []fs.FS) (migrations, error) {
	all := migrations{}
	for _, set := range sets {
		err := fs.WalkDir(set, ".", func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || path.Ext(p) != ".sql" || !isFor(dialect, p) {
				return err
			}
			return all.add(set, p)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// isFor reports whether a file is for the dialect.
func isFor(dialect goose.Dialect, file string) bool {
	switch path.Ext(strings.TrimSuffix(file, ".sql")) {
	case ".postgres":
		return dialect == goose.DialectPostgres
	case ".sqlite":
		return dialect == goose.DialectSQLite3
	}
	return true
}

// add adds a file, whose version must be new.
func (m migrations) add(set fs.FS, p string) error {
	version, err := goose.NumericComponent(path.Base(p))
	if err != nil {
		return fmt.Errorf("%s: the name of a migration must start with its version, as in 01001_orders.sql: %w", p, err)
	}
	for name, other := range m {
		if other.version == version {
			return fmt.Errorf("%s and %s have the same version: renumber one", name, path.Base(p))
		}
	}
	m[path.Base(p)] = migration{set, p, version}
	return nil
}

// versions returns the names of the files by version.
func (m migrations) versions() map[int64]string {
	all := make(map[int64]string, len(m))
	for name, one := range m {
		all[one.version] = name
	}
	return all
}

// Open implements fs.FS.
func (m migrations) Open(name string) (fs.File, error) {
	one, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return one.set.Open(one.path)
}

// Glob implements fs.GlobFS.
func (m migrations) Glob(pattern string) ([]string, error) {
	var names []string
	for name := range m {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
