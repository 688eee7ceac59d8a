package sqldb_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenRefusesAURLThatIsNotADatabase(t *testing.T) {
	t.Parallel()
	for bad, want := range map[string]string{
		"":                                  "use sqlite:///path/to/file.db or postgres://",
		"mysql://localhost/orders":          "use sqlite:///path/to/file.db or postgres://",
		"secret":                            "use sqlite:///path/to/file.db or postgres://",
		"host=h user=u password=secret":     "use sqlite:///path/to/file.db or postgres://",
		"sqlite://":                         "names no file",
		"sqlite:orders.db":                  "names no file",
		"postgres://u:secret@h:notaport/db": "is not understood",
		"sqlite://" + t.TempDir():           "open SQLite database",
	} {
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			_, err := sqldb.Open(t.Context(), bad, sqldb.Options{})
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

// Someone who pastes a password into the URL without encoding it learns how to encode
// it, and finds no part of it in the log.
func TestAPasswordThatBreaksTheURLIsNotShown(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"open/sesame", "open@sesame", "12/open@sesame", "open@sesame/12", "open@sesame/w@12", "12?open/sesame", "12?x=open/sesame",
		"open:sesame/", "open%sesame", "#open/sesame", "[open/sesame",
	} {
		t.Run(password, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // so that Open does not wait for the server of a URL that seems valid
			_, err := sqldb.Open(ctx, "postgres://orders:"+password+"@db.example:5432/orders", sqldb.Options{})
			require.ErrorContains(t, err, "use postgres://user:password@host:5432/database")
			require.ErrorContains(t, err, "percent-encoded")
			require.NotRegexp(t, "open|sesame|12|db.example", err.Error())
			require.NotContains(t, err.Error(), "orders")
		})
	}
}

func TestTheErrorNamesAParameterThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for parameter, want := range map[string]string{
		"pool_max_conns=many":              "the value of its parameter pool_max_conns cannot be used",
		"pool_max_conns=0":                 "the value of its parameter pool_max_conns cannot be used",
		"sslmode=perhaps":                  "the value of its parameter sslmode cannot be used",
		"sslmode=perhaps&pool_max_conns=0": "the parameters after its ? cannot be used",
	} {
		t.Run(parameter, func(t *testing.T) {
			t.Parallel()
			_, err := sqldb.Open(t.Context(), "postgres://orders:secret@db.example/orders?connect_timeout=1&"+parameter, sqldb.Options{})
			require.EqualError(t, err, "database URL: "+want)
		})
	}
}

func TestPercentEncodedPasswordsWork(t *testing.T) {
	t.Parallel()
	server, role := postgres(t), "open_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := sqldbtest.Open(t, server.String(), sqldb.Options{MaxConns: 1})
	createRole(t, admin, role, "s/e@c:r?e%t#")
	server.User = url.UserPassword(role, "s/e@c:r?e%t#")
	require.NoError(t, sqldbtest.Open(t, server.String(), sqldb.Options{MaxConns: 1}).Ping(t.Context()))
}

// createRole creates a role that may only connect. It is dropped when the test ends.
func createRole(t *testing.T, admin sqldb.DB, role, password string) {
	t.Helper()
	_, err := admin.Exec(t.Context(), "CREATE ROLE "+role+" LOGIN PASSWORD '"+password+"'")
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, statement := range []string{"DROP OWNED BY " + role + " CASCADE", "DROP ROLE " + role} {
			_, err := admin.Exec(context.WithoutCancel(t.Context()), statement)
			require.NoError(t, err)
		}
	})
}

func TestAFileIsCreatedWithItsFolders(t *testing.T) {
	t.Parallel()
	file := "sqlite://" + filepath.Join(t.TempDir(), "new folder", "50% off", "orders.db")
	db := sqldbtest.Open(t, file, sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	require.NoError(t, db.Close())
	require.Equal(t, []string{"a"}, accounts(t, sqldbtest.Open(t, file, sqldb.Options{}, bank)))
}

func TestAPrivateDatabaseLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	db := sqldbtest.SQLite(t, bank)
	require.NoError(t, db.Close())
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

// firstWarning is a log handler that signals its first record.
type firstWarning struct {
	slog.Handler
	logged chan struct{}
}

func (w firstWarning) Handle(_ context.Context, r slog.Record) error {
	select {
	case w.logged <- struct{}{}:
	default:
	}
	return nil
}

// warningLog returns a log and a channel that receives a value when something is logged.
func warningLog() (*slog.Logger, <-chan struct{}) {
	logged := make(chan struct{}, 1)
	return slog.New(firstWarning{slog.DiscardHandler, logged}), logged
}

func (w firstWarning) Enabled(context.Context, slog.Level) bool { return true }
func (w firstWarning) WithAttrs([]slog.Attr) slog.Handler       { return w }

func TestOpenWaitsForPostgresUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	log, warned := warningLog()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-warned
		cancel()
	}()
	_, err := sqldb.Open(ctx, "postgres://u:secret@"+freePort(t)+"/db?sslmode=disable", sqldb.Options{Log: log})
	require.ErrorContains(t, err, "did not answer")
	require.NotContains(t, err.Error(), "secret")
}

func TestOpenContinuesWhenPostgresComesUp(t *testing.T) {
	t.Parallel()
	server := postgres(t)
	log, warned := warningLog()
	addr, target := freePort(t), server.Host
	server.Host = addr
	var up *proxy
	started := make(chan error, 1)
	go func() {
		<-warned
		var err error
		up, err = listenAt(addr, target)
		started <- err
	}()
	db, err := sqldb.Open(t.Context(), server.String(), sqldb.Options{Log: log})
	require.NoError(t, err)
	require.NoError(t, db.Ping(t.Context()))
	require.NoError(t, db.Close())
	require.NoError(t, <-started)
	up.close()
}

func TestOpenDoesNotWaitForWhatOnlyAPersonCanCorrect(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*url.URL){
		"check user and password":   func(u *url.URL) { u.User = url.UserPassword("troupe", "wrong") },
		`has no database "nowhere"`: func(u *url.URL) { u.Path = "/nowhere" },
		"sslmode=disable":           func(u *url.URL) { u.RawQuery = "sslmode=require" },
		"open PostgreSQL":           func(u *url.URL) { u.RawQuery = "sslmode=disable&no_such_setting=1" },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			server := postgres(t)
			change(server)
			log, warned := warningLog()
			_, err := sqldb.Open(t.Context(), server.String(), sqldb.Options{Log: log})
			require.ErrorContains(t, err, want)
			require.Empty(t, warned, "Open must not have waited")
		})
	}
}

// postgres returns the URL of a new database. It skips the test if there is no server.
func postgres(t *testing.T) *url.URL {
	t.Helper()
	at, ok := sqldbtest.URLs(t)["postgres"]
	if !ok {
		t.Skipf("%s is not set", sqldbtest.Variable)
	}
	u, err := url.Parse(at)
	require.NoError(t, err)
	return u
}

// freePort returns an address at which no server listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}
