// Package sqldbtest provides each test with databases of its own: SQLite always, and
// PostgreSQL if TEST_DATABASE_URL names a server.
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

// Variable is the environment variable with the URL of the PostgreSQL server on which
// tests create their databases.
const Variable = "TEST_DATABASE_URL"

// Each runs test as a parallel subtest on each available kind of database, new and
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

// SQLite returns a new private database, migrated with sets. It is closed when the test ends.
func SQLite(t testing.TB, sets ...fs.FS) sqldb.DB {
	t.Helper()
	return Open(t, "sqlite::memory:", sqldb.Options{}, sets...)
}

// Open opens a database, migrates it with sets, if there are any, and closes it when the
// test ends.
func Open(t testing.TB, url string, o sqldb.Options, sets ...fs.FS) sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	if len(sets) > 0 {
		require.NoError(t, sqldb.Migrate(t.Context(), db, sets...))
	}
	return db
}

// URLs returns the URLs of new databases by dialect: "sqlite", and "postgres" if there
// is a server.
func URLs(t testing.TB) map[string]string {
	t.Helper()
	urls := map[string]string{"sqlite": "sqlite://" + filepath.Join(t.TempDir(), "test.db")}
	if serverURL(t) != "" {
		urls["postgres"] = createSchema(t, serverURL(t))
	}
	return urls
}

// postgresURL returns the URL of a new database. It skips the test if there is no server.
func postgresURL(t testing.TB) string {
	t.Helper()
	if serverURL(t) == "" {
		t.Skipf("%s is not set: skipping PostgreSQL", Variable)
	}
	return createSchema(t, serverURL(t))
}

// serverURL returns the URL of the PostgreSQL server, "" if there is none. If CI=true a
// missing server fails the test, because a CI run without PostgreSQL proves too little.
func serverURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" && os.Getenv("CI") == "true" {
		t.Fatalf("%s must be set when CI=true", Variable)
	}
	return server
}

// createSchema creates a schema on the server and returns a URL by which it looks like
// a database of its own. It is dropped when the test ends. To create a real database
// would take a hundred times as long.
func createSchema(t testing.TB, server string) string {
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

// administer runs one statement on a connection of its own.
func administer(t testing.TB, server, statement string) {
	t.Helper()
	ctx := context.Background() // also used when the test's own context has ended
	conn, err := pgx.Connect(ctx, server)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	require.NoError(t, err)
}

// CreateDatabase creates a database of its own, in place of a schema, and returns its
// URL. The options are those of CREATE DATABASE. It is dropped when the test ends.
func CreateDatabase(t testing.TB, options string) string {
	t.Helper()
	server := serverURL(t)
	if server == "" {
		t.Skipf("%s is not set: skipping PostgreSQL", Variable)
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	administer(t, server, "CREATE DATABASE "+name+" "+options)
	t.Cleanup(func() { administer(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}
