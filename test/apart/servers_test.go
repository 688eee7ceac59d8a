package apart_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/sqldb"
	"troupe/test/apart"
)

// servers are a PostgreSQL and a RabbitMQ of a test's own, which it can stop.
type servers struct {
	t         *testing.T
	environ   []string
	databases map[string]string // URLs by service
	amqp      string
}

// script runs them.
const script = "../../scripts/servers"

// startServers starts them, and stops them when the test ends.
func startServers(t *testing.T) *servers {
	t.Helper()
	if !rabbittest.Available(t) {
		t.Skipf("%s is not set: real servers are left out", rabbittest.Variable)
	}
	postgres, rabbit := freePorts(t)
	dir := t.TempDir()
	// PostgreSQL and RabbitMQ refuse to run as root, and their users may not look in there.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	s := &servers{t: t, environ: append(os.Environ(),
		"SERVERS_DIR="+dir, "SERVERS_POSTGRES_PORT="+strconv.Itoa(postgres), "SERVERS_AMQP_PORT="+strconv.Itoa(rabbit))}
	t.Cleanup(func() { s.do("stop") })
	s.do("start")
	where := map[string]string{}
	for _, m := range regexp.MustCompile(`export (\w+)='(.*)'`).FindAllStringSubmatch(s.do("env"), -1) {
		where[m[1]] = m[2]
	}
	s.amqp, s.databases = where[rabbittest.Variable], s.makeSchemas(where["TEST_DATABASE_URL"])
	return s
}

// do runs a command of the script and gives what it prints.
func (s *servers) do(command string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, script, command)
	c.Env = s.environ
	out, err := c.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

// makeSchemas makes one for each service, a database of its own to whoever
// connects by its URL.
func (s *servers) makeSchemas(server string) map[string]string {
	s.t.Helper()
	db, err := sqldb.Open(s.t.Context(), server, sqldb.Options{MaxConns: 1})
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, db.Close()) }()
	urls := map[string]string{}
	for _, service := range apart.Behind {
		_, err := db.Exec(s.t.Context(), "CREATE SCHEMA "+service)
		require.NoError(s.t, err)
		urls[service] = rabbittest.At(s.t, server, func(u *url.URL) {
			q := u.Query()
			q.Set("search_path", service)
			u.RawQuery = q.Encode()
		})
	}
	return urls
}

// freePorts finds one for PostgreSQL, and the first of the four of RabbitMQ.
func freePorts(t *testing.T) (postgres, rabbit int) {
	t.Helper()
	for range 100 {
		first := 20000 + 5*rand.IntN(2000)
		if free(first, 5) {
			return first, first + 1
		}
	}
	require.Fail(t, "no free ports")
	return 0, 0
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		defer l.Close()
	}
	return true
}
