package sqldb

import (
	"context"
	"errors"
	"strings"
)

// errURL contains no part of the URL: what comes before its first colon may be a password.
var errURL = errors.New("database URL is not understood: use sqlite:///path/to/file.db or postgres://user:password@host:5432/database")

// Open opens the database at url: "sqlite:///path/to/file.db" (created if it does not
// exist), "sqlite::memory:" (a private database that Close deletes, for tests), or
// "postgres://...". It waits for a PostgreSQL server that does not answer until ctx
// ends.
func Open(ctx context.Context, url string, o Options) (DB, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, url, o)
	case "postgres", "postgresql":
		return openPostgres(ctx, url, o)
	}
	return nil, errURL
}
