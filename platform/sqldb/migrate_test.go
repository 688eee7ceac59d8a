package sqldb_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

var (
	apples  = schema("00101_apples.sql", "CREATE TABLE apples (id TEXT PRIMARY KEY);")
	pears   = schema("01001_pears.sql", "CREATE TABLE pears (id TEXT PRIMARY KEY);\nINSERT INTO pears (id) VALUES ('p');")
	special = fstest.MapFS{
		"01002_kind.sqlite.sql":   {Data: []byte("-- +goose Up\nCREATE TABLE kinds AS SELECT 'sqlite' AS kind;")},
		"01002_kind.postgres.sql": {Data: []byte("-- +goose Up\nCREATE TABLE kinds AS SELECT 'postgres' AS kind;")},
		"README.md":               {Data: []byte("not a migration")},
	}
)

// onEmpty runs test on a new database of each dialect, without tables.
func onEmpty(t *testing.T, test func(t *testing.T, dialect, url string, db sqldb.DB)) {
	t.Parallel()
	for dialect := range sqldbtest.URLs(t) {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			url := sqldbtest.URLs(t)[dialect]
			test(t, dialect, url, sqldbtest.Open(t, url, sqldb.Options{}))
		})
	}
}

// exists reports whether there is a table of that name.
func exists(t *testing.T, db sqldb.DB, table string) bool {
	t.Helper()
	var n int
	return db.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n) == nil
}

func TestMigrateMergesSetsAndPicksTheDialect(t *testing.T) {
	onEmpty(t, func(t *testing.T, dialect, _ string, db sqldb.DB) {
		require.NoError(t, sqldb.Migrate(t.Context(), db, apples, pears, special))
		require.True(t, exists(t, db, "apples"))
		require.True(t, exists(t, db, "pears"))
		var kind string
		require.NoError(t, db.QueryRow(t.Context(), "SELECT kind FROM kinds").Scan(&kind))
		require.Equal(t, dialect, kind)
	})
}

func TestMigrateAppliesEachOnceAndInAnyOrder(t *testing.T) {
	onEmpty(t, func(t *testing.T, _, url string, db sqldb.DB) {
		require.NoError(t, sqldb.Migrate(t.Context(), db, pears))
		require.NoError(t, sqldb.Migrate(t.Context(), db, pears), "nothing is left to apply")
		again := sqldbtest.Open(t, url, sqldb.Options{}, pears, apples)
		require.True(t, exists(t, again, "apples"), "a lower version may come later")
		var n int
		require.NoError(t, again.QueryRow(t.Context(), "SELECT COUNT(*) FROM pears").Scan(&n))
		require.Equal(t, 1, n)
	})
}

func TestMigrateRefusesANewerDatabase(t *testing.T) {
	onEmpty(t, func(t *testing.T, _, _ string, db sqldb.DB) {
		require.NoError(t, sqldb.Migrate(t.Context(), db, apples, pears))
		err := sqldb.Migrate(t.Context(), db, apples)
		require.ErrorContains(t, err, "has migration 01001, which this program does not know")
		require.ErrorContains(t, err, "start that version")
	})
}

func TestAFailedMigrationIsRolledBackAndCanBeRepaired(t *testing.T) {
	onEmpty(t, func(t *testing.T, _, _ string, db sqldb.DB) {
		broken := schema("01002_broken.sql", "CREATE TABLE plums (id TEXT);\nNONSENSE;")
		repaired := schema("01002_broken.sql", "CREATE TABLE plums (id TEXT);")
		require.ErrorContains(t, sqldb.Migrate(t.Context(), db, pears, broken), "01002_broken.sql")
		require.True(t, exists(t, db, "pears"))
		require.False(t, exists(t, db, "plums"))
		require.NoError(t, sqldb.Migrate(t.Context(), db, pears, repaired))
		require.True(t, exists(t, db, "plums"))
	})
}

func TestMigrateRefusesVersionsItCannotOrder(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t)
	for want, sets := range map[string][]fs.FS{
		"same version":    {apples, schema("00101_other.sql", "SELECT 1;")},
		"must start with": {schema("orders.sql", "SELECT 1;")},
	} {
		require.ErrorContains(t, sqldb.Migrate(t.Context(), db, sets...), want)
	}
}

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	url, ok := sqldbtest.URLs(t)["postgres"]
	if !ok {
		t.Skipf("%s is not set", sqldbtest.Variable)
	}
	replicas := make([]sqldb.DB, 4)
	for i := range replicas {
		replicas[i] = sqldbtest.Open(t, url, sqldb.Options{MaxConns: 1})
	}
	var g errgroup.Group
	for _, replica := range replicas {
		g.Go(func() error { return sqldb.Migrate(t.Context(), replica, apples, pears) })
	}
	require.NoError(t, g.Wait())
}

// Since PostgreSQL 15 this is the case of every role that does not own the database.
func TestTheErrorForAMissingPrivilegeNamesTheGrant(t *testing.T) {
	t.Parallel()
	server, role := postgres(t), "migrate_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	schema := server.Query().Get("search_path")
	admin := sqldbtest.Open(t, server.String(), sqldb.Options{MaxConns: 1})
	createRole(t, admin, role, "secret")
	_, err := admin.Exec(t.Context(), "GRANT USAGE ON SCHEMA "+schema+" TO "+role)
	require.NoError(t, err)
	server.User = url.UserPassword(role, "secret")
	db := sqldbtest.Open(t, server.String(), sqldb.Options{MaxConns: 1})

	err = sqldb.Migrate(t.Context(), db, apples)
	require.ErrorContains(t, err, fmt.Sprintf("does not let user %q create tables in schema %q", role, schema))
	require.ErrorContains(t, err, "permission denied for schema "+schema)
	advice := fmt.Sprintf("GRANT CREATE ON SCHEMA %q TO %q", schema, role)
	require.ErrorContains(t, err, advice)
	_, err = admin.Exec(t.Context(), advice)
	require.NoError(t, err)
	require.NoError(t, sqldb.Migrate(t.Context(), db, apples))
}
