package sqldbtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// PgBouncer starts a PgBouncer with these settings in front of databases, which are
// URLs by name, and returns their URLs through it. It is stopped when the test ends. Without
// the program the test is skipped, but fails if CI=true.
func PgBouncer(t testing.TB, databases map[string]string, settings ...string) map[string]string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer") // which is not in everyone's PATH
	}
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "pgbouncer is missing: run scripts/servers install")
		t.Skip("pgbouncer is not installed: scripts/servers install")
	}
	address := freeAddress(t)
	start(t, program, writeConfiguration(t, address, databases, settings))
	through := map[string]string{}
	for name, raw := range databases {
		u := parse(t, raw)
		u.Host, u.Path, u.RawQuery = address, "/"+name, "sslmode=disable"
		through[name] = u.String()
	}
	waitUntilItAnswers(t, through)
	return through
}

// writeConfiguration writes the two files of PgBouncer and returns the path of the first.
func writeConfiguration(t testing.TB, address string, databases map[string]string, settings []string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) // it refuses to run as root
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	users, lines := map[string]string{}, []string{"[databases]"}
	for name, raw := range databases {
		u := parse(t, raw)
		password, _ := u.User.Password()
		users[u.User.Username()] = password
		lines = append(lines, fmt.Sprintf("%s = host=%s port=%s dbname=%s", name, u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/")))
	}
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	list := filepath.Join(dir, "users.txt")
	lines = append(lines, "[pgbouncer]", "listen_addr = "+host, "listen_port = "+port, "unix_socket_dir =", "auth_type = plain", "auth_file = "+list)
	lines = append(lines, settings...)
	var accounts strings.Builder
	for name, password := range users {
		fmt.Fprintf(&accounts, "%q %q\n", name, password)
	}
	require.NoError(t, os.WriteFile(list, []byte(accounts.String()), 0o644))
	file := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	return file
}

// start runs the program, as the user postgres if this is root, until the test ends.
func start(t testing.TB, program, file string) {
	t.Helper()
	arguments := []string{program, "-q", file}
	if os.Geteuid() == 0 {
		arguments = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"}, arguments...)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), arguments[0], arguments[1:]...)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		_ = command.Wait()         // with the error that it was killed
	})
}

func waitUntilItAnswers(t testing.TB, through map[string]string) {
	t.Helper()
	for _, one := range through {
		var err error
		require.Eventually(t, func() bool {
			var conn *pgx.Conn
			if conn, err = pgx.Connect(t.Context(), one); err != nil {
				return false
			}
			return conn.Close(t.Context()) == nil
		}, 30*time.Second, 20*time.Millisecond, "pgbouncer does not answer: %v", errorText{&err})
		return
	}
}

// errorText formats an error as it is when it is printed.
type errorText struct{ err *error }

func (e errorText) String() string { return fmt.Sprint(*e.err) }

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}
