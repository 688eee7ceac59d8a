package deploy_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// postgres is a server on which databases.sh creates two services' databases, with names
// that no other test uses.
type postgres struct {
	at            *url.URL
	superuser     sqldb.DB
	orders, users string
}

func newPostgres(t *testing.T) postgres {
	t.Helper()
	raw := os.Getenv(sqldbtest.Variable)
	if raw == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "%s must be set when CI=true", sqldbtest.Variable)
		t.Skipf("%s is not set: PostgreSQL is left out", sqldbtest.Variable)
	}
	at, err := url.Parse(raw)
	require.NoError(t, err)
	own := "deploy_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	p := postgres{at: at, orders: own + "_orders", users: own + "_users", superuser: sqldbtest.Open(t, raw, sqldb.Options{MaxConns: 1})}
	t.Cleanup(func() { p.drop(t) })
	return p
}

func (p postgres) drop(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // the test's context ends before the clean-up
	for _, name := range []string{p.orders, p.users} {
		for _, what := range []string{"DATABASE", "ROLE"} {
			_, err := p.superuser.Exec(ctx, fmt.Sprintf("DROP %s IF EXISTS %q", what, name))
			require.NoError(t, err)
		}
	}
}

// run runs databases.sh as the postgres image does.
func (p postgres) run(t *testing.T, ordersPassword, usersPassword string) (string, error) {
	t.Helper()
	password, _ := p.at.User.Password()
	command := exec.CommandContext(t.Context(), "postgres/databases.sh")
	command.Env = append(os.Environ(),
		"PGHOST="+p.at.Hostname(), "PGPORT="+p.at.Port(), "PGPASSWORD="+password, "POSTGRES_USER="+p.at.User.Username(),
		"SERVICES="+p.orders+" "+p.users,
		strings.ToUpper(p.orders)+"_DATABASE_PASSWORD="+ordersPassword,
		strings.ToUpper(p.users)+"_DATABASE_PASSWORD="+usersPassword)
	output, err := command.CombinedOutput()
	return string(output), err
}

// open connects as a role to a database.
func (p postgres) open(t *testing.T, role, password, database string) error {
	t.Helper()
	at := *p.at
	at.User, at.Path = url.UserPassword(role, password), "/"+database
	db, err := sqldb.Open(t.Context(), at.String(), sqldb.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS mine (id TEXT)")
	return err
}

func TestARoleOpensItsOwnDatabaseAndNoOther(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	output, err := p.run(t, `it's "$odd"`, "second")
	require.NoError(t, err, output)

	require.NoError(t, p.open(t, p.orders, `it's "$odd"`, p.orders))
	require.NoError(t, p.open(t, p.users, "second", p.users))
	require.ErrorContains(t, p.open(t, p.orders, `it's "$odd"`, p.users), "permission denied for database")
	require.ErrorContains(t, p.open(t, p.users, "second", p.orders), "permission denied for database")
	require.ErrorContains(t, p.open(t, p.users, `it's "$odd"`, p.users), "password authentication failed")
}

func TestTheScriptCanRunAgainToChangeAPassword(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	output, err := p.run(t, "old", "same")
	require.NoError(t, err, output)
	require.NoError(t, p.open(t, p.orders, "old", p.orders))

	output, err = p.run(t, "new", "same")
	require.NoError(t, err, output)
	require.ErrorContains(t, p.open(t, p.orders, "old", p.orders), "password authentication failed")
	require.NoError(t, p.open(t, p.orders, "new", p.orders))
}

func TestAServiceWithoutAPasswordStopsTheScript(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	p.users = "nobody set a password for it"
	output, err := p.run(t, "first", "second")
	require.Error(t, err)
	require.Contains(t, output, "databases.sh: set NOBODY_DATABASE_PASSWORD")
}
