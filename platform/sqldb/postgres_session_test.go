package sqldb_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// roleWith creates a database and a role that owns it and has these settings. It returns
// the URL for the role, and the database as a superuser sees it.
func roleWith(t *testing.T, settings ...string) (at string, admin sqldb.DB) {
	t.Helper()
	super := sqldbtest.CreateDatabase(t, "")
	admin = sqldbtest.Open(t, super, sqldb.Options{MaxConns: 1})
	role := "role_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	createRole(t, admin, role, "secret")
	u, err := url.Parse(super)
	require.NoError(t, err)
	statements := []string{"ALTER DATABASE " + u.Path[1:] + " OWNER TO " + role}
	t.Cleanup(func() {
		_, err := admin.Exec(context.WithoutCancel(t.Context()), "ALTER DATABASE "+u.Path[1:]+" OWNER TO CURRENT_USER")
		require.NoError(t, err)
	})
	for _, one := range settings {
		statements = append(statements, "ALTER ROLE "+role+" SET "+one)
	}
	for _, statement := range statements {
		_, err := admin.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	u.User = url.UserPassword(role, "secret")
	return u.String(), admin
}

// oddSettings change the meaning of SQL, or let it fail.
var oddSettings = []string{
	"client_encoding = 'LATIN1'", "standard_conforming_strings = off", "DateStyle = 'SQL, DMY'", "IntervalStyle = sql_standard",
	"TimeZone = 'Asia/Kolkata'", "bytea_output = escape", "default_transaction_isolation = serializable",
	"statement_timeout = 500", "lock_timeout = 1", "idle_in_transaction_session_timeout = 1", "synchronous_commit = off",
}

// requireOrdinary requires that the bank works as with the settings of a new server.
func requireOrdinary(t *testing.T, db sqldb.DB) {
	t.Helper()
	const text = "Zoë's \\n 🛒"
	require.NoError(t, db.Tx(t.Context(), open(text, text)))
	require.Equal(t, []string{text}, accounts(t, db))
	for name, want := range map[string]string{
		"transaction_isolation": "read committed", "statement_timeout": "0", "lock_timeout": "0",
		"idle_in_transaction_session_timeout": "0", "synchronous_commit": "on", "standard_conforming_strings": "on",
	} {
		var have string
		require.NoError(t, db.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&have))
		require.Equal(t, want, have, name)
	}
	var bytes []byte
	require.NoError(t, db.QueryRow(t.Context(), "SELECT convert_to($1, 'UTF8') FROM pg_sleep(0.6)", `\`).Scan(&bytes))
	require.Equal(t, []byte(`\`), bytes)
}

func TestTheSettingsOfARoleChangeNothing(t *testing.T) {
	t.Parallel()
	at, _ := roleWith(t, oddSettings...)
	requireOrdinary(t, sqldbtest.Open(t, at, sqldb.Options{}, bank))
}

// An operator who wants a limit writes it into the database URL.
func TestATimeLimitInTheURLCounts(t *testing.T) {
	t.Parallel()
	at := postgres(t)
	at.RawQuery += "&statement_timeout=500"
	db := sqldbtest.Open(t, at.String(), sqldb.Options{})
	_, err := db.Exec(t.Context(), "SELECT pg_sleep(30)")
	requireFault(t, "storage_busy", err)
}

// A pooler passes on few settings, so a role with others is refused, and the error has
// the statements that help.
func TestTheSettingsOfARoleAreRefusedThroughAPooler(t *testing.T) {
	t.Parallel()
	at, admin := roleWith(t, oddSettings...)
	through := sqldbtest.PgBouncer(t, map[string]string{"bank": at}, "pool_mode = transaction")["bank"]
	for _, ignored := range []bool{false, true} { // by PgBouncer, which otherwise refuses them
		if ignored {
			through = sqldbtest.PgBouncer(t, map[string]string{"bank": at}, "pool_mode = transaction",
				"ignore_startup_parameters = bytea_output, default_transaction_isolation, statement_timeout, lock_timeout, idle_in_transaction_session_timeout")["bank"]
		}
		_, err := sqldb.Open(t.Context(), through, sqldb.Options{})
		require.ErrorContains(t, err, "there is a pooler in front of PostgreSQL")
		require.ErrorContains(t, err, "bytea_output = 'hex'")
		require.ErrorContains(t, err, "synchronous_commit = 'on'")
		if !ignored {
			continue
		}
		_, remedies, _ := strings.Cut(err.Error(), ": run ")
		for statement := range strings.SplitSeq(remedies, "; ") {
			_, err := admin.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
	}
	through = sqldbtest.PgBouncer(t, map[string]string{"bank": at}, "pool_mode = transaction")["bank"]
	requireOrdinary(t, sqldbtest.Open(t, through, sqldb.Options{}, bank))
}

func TestADatabaseInWhichTheServicesCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(t *testing.T) string{
		"has the encoding SQL_ASCII, which does not store every text: create another one with createdb --encoding=UTF8": func(t *testing.T) string {
			return sqldbtest.CreateDatabase(t, "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
		},
		`SET default_transaction_read_only = off`: func(t *testing.T) string {
			at, _ := roleWith(t, "default_transaction_read_only = on")
			return at
		},
		`does not pass on a parameter of the database URL`: func(t *testing.T) string {
			through := sqldbtest.PgBouncer(t, map[string]string{"bank": postgres(t).String()})["bank"]
			return through + "&search_path=public"
		},
		`ignores search_path in the database URL: remove it there`: func(t *testing.T) string {
			through := sqldbtest.PgBouncer(t, map[string]string{"bank": postgres(t).String()}, "ignore_startup_parameters = search_path")["bank"]
			return through + "&search_path=nowhere"
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			log, warned := warningLog()
			_, err := sqldb.Open(t.Context(), change(t), sqldb.Options{Log: log})
			require.ErrorContains(t, err, want)
			require.Empty(t, warned, "Open must not have waited")
		})
	}
}

func TestASearchPathThatLeadsNowhereIsRefused(t *testing.T) {
	t.Parallel()
	at, _ := roleWith(t, "search_path = nowhere")
	db := sqldbtest.Open(t, at, sqldb.Options{})
	require.ErrorContains(t, sqldb.Migrate(t.Context(), db, bank), "leads to no schema that exists and that the user may use: ALTER ROLE")
}

// The tables would be missing, and the service would start with empty ones.
func TestASearchPathThatLeadsAwayFromTheTablesIsRefused(t *testing.T) {
	t.Parallel()
	at, admin := roleWith(t)
	db := sqldbtest.Open(t, at, sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	u, err := url.Parse(at)
	require.NoError(t, err)
	for _, statement := range []string{"CREATE SCHEMA other AUTHORIZATION " + u.User.Username(), "ALTER ROLE " + u.User.Username() + " SET search_path = other"} {
		_, err := admin.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	moved := sqldbtest.Open(t, at, sqldb.Options{})
	err = sqldb.Migrate(t.Context(), moved, bank)
	require.ErrorContains(t, err, `the tables are in schema "public", but search_path leads to "other"`)
}

// A server that is read-only for the time being, as after a failover, is waited for.
func TestOpenWaitsForAServerThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	at := sqldbtest.CreateDatabase(t, "")
	log, warned := warningLog()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-warned
		cancel()
	}()
	u, err := url.Parse(at)
	require.NoError(t, err)
	u.RawQuery += "&default_transaction_read_only=on" // stands for the server's configuration
	_, err = sqldb.Open(ctx, u.String(), sqldb.Options{Log: log})
	require.ErrorContains(t, err, "takes no writes")
}
