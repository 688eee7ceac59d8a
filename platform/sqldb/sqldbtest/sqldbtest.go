// Package sqldbtest gives tests databases of their own: SQLite always,
// PostgreSQL where TEST_DATABASE_URL names a server.
package sqldbtest

import (
	"context"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
)

// Variable names the PostgreSQL server that tests make their databases on.
const Variable = "TEST_DATABASE_URL"

// Each runs test as a parallel sub-test on each available database, fresh and
// migrated with sets.
func Each(t *testing.T, test func(t *testing.T, db sqldb.DB), sets ...fs.FS) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t, sets...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Open(t, postgresURL(t), sqldb.Options{MaxConns: 8}, sets...))
	})
}

// SQLite gives a fresh private database migrated with sets.
func SQLite(t testing.TB, sets ...fs.FS) sqldb.DB {
	t.Helper()
	return Open(t, "sqlite::memory:", sqldb.Options{}, sets...)
}

// Open opens and migrates a database and closes it when the test ends.
func Open(t testing.TB, url string, o sqldb.Options, sets ...fs.FS) sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, sqldb.Migrate(t.Context(), db, sets...))
	return db
}

// URLs gives the URL of a fresh database per dialect: "sqlite", and "postgres"
// where there is a server.
func URLs(t testing.TB) map[string]string {
	t.Helper()
	urls := map[string]string{"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "test.db")}
	if server(t) != "" {
		urls["postgres"] = makeSchema(t, server(t))
	}
	return urls
}

func postgresURL(t testing.TB) string {
	t.Helper()
	if server(t) == "" {
		t.Skipf("%s is not set: PostgreSQL is left out", Variable)
	}
	return makeSchema(t, server(t))
}

// server is where PostgreSQL listens. A CI run without one proves nothing, so
// it fails.
func server(t testing.TB) string {
	t.Helper()
	at := os.Getenv(Variable)
	if at == "" && os.Getenv("CI") == "true" {
		t.Fatalf("%s must be set when CI=true", Variable)
	}
	return at
}

// makeSchema makes a schema on the server, which is a database of its own to
// whoever connects by the URL, and drops it when the test ends. Making a real
// database takes a hundred times as long.
func makeSchema(t testing.TB, server string) string {
	t.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	administer(t, server, "CREATE SCHEMA "+name)
	t.Cleanup(func() { administer(t, server, "DROP SCHEMA "+name+" CASCADE") })
	u, err := url.Parse(server)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func administer(t testing.TB, server, statement string) {
	t.Helper()
	ctx := context.Background() // also used when the test's own context has ended
	conn, err := pgx.Connect(ctx, server)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
}
