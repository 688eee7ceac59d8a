package sqldb_test

import (
	"context"
	"io"
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

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
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
		_, err := sqldb.Open(t.Context(), bad, sqldb.Options{})
		require.ErrorContains(t, err, want, bad)
		require.NotContains(t, err.Error(), "secret")
	}
}

// Whoever pastes a password into the URL as it is gets told how to write it, and
// finds no piece of it in the log.
func TestAPasswordThatBreaksTheURLIsNotShown(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"open/sesame", "open@sesame", "12/open@sesame", "open@sesame/12", "open@sesame/w@12", "12?open/sesame", "12?x=open/sesame",
		"open:sesame/", "open%sesame", "#open/sesame", "[open/sesame",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a URL that seems good is not waited for
		_, err := sqldb.Open(ctx, "postgres://orders:"+password+"@db.example:5432/orders", sqldb.Options{})
		require.ErrorContains(t, err, "use postgres://user:password@host:5432/database", password)
		require.ErrorContains(t, err, "percent-encoded", password)
		require.NotRegexp(t, "open|sesame|12|db.example", err.Error(), password)
		require.NotContains(t, err.Error(), "orders", password)
	}
}

func TestAParameterThatCanNotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	for parameter, want := range map[string]string{
		"pool_max_conns=many":              "the value of its parameter pool_max_conns can not be used",
		"pool_max_conns=0":                 "the value of its parameter pool_max_conns can not be used",
		"sslmode=perhaps":                  "the value of its parameter sslmode can not be used",
		"sslmode=perhaps&pool_max_conns=0": "what follows its ? can not be used",
	} {
		_, err := sqldb.Open(t.Context(), "postgres://orders:secret@db.example/orders?connect_timeout=1&"+parameter, sqldb.Options{})
		require.EqualError(t, err, "database URL: "+want)
	}
}

func TestASpecialCharacterIsPercentEncoded(t *testing.T) {
	t.Parallel()
	server, role := postgres(t), "open_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := sqldbtest.Open(t, server.String(), sqldb.Options{MaxConns: 1})
	makeRole(t, admin, role, "s/e@c:r?e%t#")
	server.User = url.UserPassword(role, "s/e@c:r?e%t#")
	require.NoError(t, sqldbtest.Open(t, server.String(), sqldb.Options{MaxConns: 1}).Ping(t.Context()))
}

// makeRole makes a role that may connect, and nothing else, until the test ends.
func makeRole(t *testing.T, admin sqldb.DB, role, password string) {
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

func TestAFileIsMadeWithItsFoldersAndKept(t *testing.T) {
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

// firstWarning is a log that says when it has heard something.
type firstWarning struct {
	slog.Handler
	heard chan struct{}
}

func (w firstWarning) Handle(_ context.Context, r slog.Record) error {
	select {
	case w.heard <- struct{}{}:
	default:
	}
	return nil
}

func listening() (*slog.Logger, <-chan struct{}) {
	heard := make(chan struct{}, 1)
	return slog.New(firstWarning{slog.DiscardHandler, heard}), heard
}

func (w firstWarning) Enabled(context.Context, slog.Level) bool { return true }
func (w firstWarning) WithAttrs([]slog.Attr) slog.Handler       { return w }

func TestOpenWaitsForPostgresUntilToldToStop(t *testing.T) {
	t.Parallel()
	log, warned := listening()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-warned
		cancel()
	}()
	_, err := sqldb.Open(ctx, "postgres://u:secret@"+freePort(t)+"/db?sslmode=disable", sqldb.Options{Log: log})
	require.ErrorContains(t, err, "did not answer")
	require.NotContains(t, err.Error(), "secret")
}

func TestOpenGoesOnWhenPostgresComesUp(t *testing.T) {
	t.Parallel()
	server := postgres(t)
	log, warned := listening()
	addr, there := freePort(t), server.Host
	server.Host = addr
	up := make(chan io.Closer, 1)
	go func() {
		<-warned
		up <- forward(addr, there)
	}()
	db, err := sqldb.Open(t.Context(), server.String(), sqldb.Options{Log: log})
	require.NoError(t, err)
	require.NoError(t, db.Ping(t.Context()))
	require.NoError(t, db.Close())
	require.NoError(t, (<-up).Close())
}

func TestOpenDoesNotWaitForWhatOnlyAPersonCanMend(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*url.URL){
		"check user and password":   func(u *url.URL) { u.User = url.UserPassword("troupe", "wrong") },
		`has no database "nowhere"`: func(u *url.URL) { u.Path = "/nowhere" },
		"sslmode=disable":           func(u *url.URL) { u.RawQuery = "sslmode=require" },
		"open PostgreSQL":           func(u *url.URL) { u.RawQuery = "sslmode=disable&no_such_setting=1" },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			server := postgres(t)
			spoil(server)
			log, warned := listening()
			_, err := sqldb.Open(t.Context(), server.String(), sqldb.Options{Log: log})
			require.ErrorContains(t, err, want)
			require.Empty(t, warned, "it did not wait")
		})
	}
}

// postgres is a fresh database's URL; without a server the test is left out.
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

// freePort is an address where nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// forward listens at one address and passes everything on to the other.
func forward(here, there string) io.Closer {
	l, err := net.Listen("tcp", here)
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", there)
			if err != nil {
				_ = in.Close()
				continue
			}
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	return l
}

func pipe(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}
