package sqldb

import (
	"context"
	"fmt"
	"strings"
)

// Open opens the database at url: "sqlite:///path/to/file.db" (made if missing),
// "sqlite::memory:" (private, for tests), or "postgres://...".
func Open(ctx context.Context, url string, o Options) (DB, error) {
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, url, o)
	case "postgres", "postgresql":
		return openPostgres(ctx, url, o)
	}
	return nil, fmt.Errorf("database URL starts with %q: use sqlite:///path/to/file.db or postgres://user:password@host/database", scheme)
}
