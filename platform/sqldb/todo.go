package sqldb

import (
	"context"
	"io/fs"
)

// Open opens the database at url: "sqlite:///path/to/file.db" (made if missing),
// "sqlite::memory:" (private, for tests), or "postgres://...".
func Open(ctx context.Context, url string, o Options) (DB, error) { panic("todo") }

// Migrate brings the schema up to date: the *.sql files (goose format) of all
// sets, whose version numbers do not overlap. A file *.postgres.sql or
// *.sqlite.sql is for that database only. Replicas that start together take
// turns. It fails if the database is newer than the code.
func Migrate(ctx context.Context, db DB, sets ...fs.FS) error { panic("todo") }

// IsDuplicate says whether err is a violated primary key or unique index.
func IsDuplicate(err error) bool { panic("todo") }

// InsertRows runs "insert" + " VALUES (...), (...) " + "suffix" for all rows, in
// chunks whose sizes are powers of two, so that few different statements are
// ever prepared. each, if not nil, gets every row that RETURNING gives.
//
//	InsertRows(ctx, tx, "INSERT INTO inbox (event_id, consumer)", rows,
//		"ON CONFLICT DO NOTHING RETURNING event_id", each)
func InsertRows(ctx context.Context, q Querier, insert string, rows [][]any, suffix string, each func(Row) error) error {
	panic("todo")
}

// In runs "before" + " IN ($k, ...) " + after for all values, in chunks like
// InsertRows; args are $1..$k-1. each, if not nil, gets every row. It returns
// how many rows were touched.
//
//	In(ctx, tx, "DELETE FROM outbox WHERE event_id", nil, ids, "", nil)
func In(ctx context.Context, q Querier, before string, args []any, values []any, after string, each func(Row) error) (int64, error) {
	panic("todo")
}

// All collects the rows of a query with scan.
func All[T any](ctx context.Context, q Querier, scan func(Row) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}
