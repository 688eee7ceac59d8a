package test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/test/process"
)

// installation is a system as its operator has it: the real program, and its commands.
type installation struct {
	*system
	binary string
}

// eachInstallation runs a scenario against `troupe up` and `troupe up
// --distributed`, with settings beyond those that every test has.
func eachInstallation(t *testing.T, settings []string, scenario func(t *testing.T, s *installation)) {
	t.Helper()
	t.Parallel()
	t.Run("in one process", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		scenario(t, install(t, &process.Troupe{Data: dir, Env: settings}, filesIn(dir)))
	})
	t.Run("apart", func(t *testing.T) {
		t.Parallel()
		amqp := rabbittest.URL(t)
		turns <- struct{}{}
		t.Cleanup(func() { <-turns })
		database, databases := databasesOnServer(t)
		scenario(t, install(t, &process.Troupe{
			Data: t.TempDir(), Apart: true, Env: append([]string{"DATABASE_URL=" + database, "AMQP_URL=" + amqp}, settings...),
		}, databases))
	})
}

func install(t *testing.T, troupe *process.Troupe, databases map[string]string) *installation {
	t.Helper()
	binary, err := program()
	require.NoError(t, err)
	troupe.Binary, troupe.Output = binary, t.Output()
	troupe.Env = append(troupe.Env,
		"ADMIN_PASSWORD="+adminPassword, "PASSWORD_HASH_COST=insecure", "PROVIDER_DELAYS=false",
		"GATEWAY_RECOVERY=100ms", "GATEWAY_TIMEOUT=50s", "GATEWAY_TRY_TIMEOUT=20s", "GATEWAY_SLOW_TRY=20s") // the machine may be busy
	require.NoError(t, troupe.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, troupe.Stop()) })
	s := &installation{system: &system{url: troupe.URL, databases: databases}, binary: binary}
	s.admin = s.login(t, adminEmail, adminPassword)
	return s
}

// databasesOnServer makes a database on the tests' server, beside which the program
// makes one for each service, and drops them all when the test ends.
func databasesOnServer(t *testing.T) (shared string, byService map[string]string) {
	t.Helper()
	server, there := os.LookupEnv(sqldbtest.Variable)
	if !there {
		t.Skipf("%s is not set: PostgreSQL is left out", sqldbtest.Variable)
	}
	db, err := sqldb.Open(t.Context(), server, sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	at := func(name string) string {
		return rabbittest.At(t, server, func(u *url.URL) { u.Path = "/" + name })
	}
	name := "test_" + strings.ToLower(rand.Text())
	_, err = db.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	all, byService := []string{name}, map[string]string{}
	for _, service := range process.Services[1:] {
		all = append(all, name+"_"+service)
		byService[service] = at(name + "_" + service)
	}
	t.Cleanup(func() {
		for _, name := range all {
			_, err := db.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
			require.NoError(t, err)
		}
	})
	return at(name), byService
}

// troupe runs a command of the operator's, which must succeed, and gives what it prints.
func (s *installation) troupe(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.binary, args...)
	command.Env = append(command.Environ(), "ADMIN_PASSWORD="+adminPassword, "TROUPE_URL="+s.gateway())
	for _, service := range process.Services[1:] {
		command.Env = append(command.Env, strings.ToUpper(service)+"_URL="+s.url(service))
	}
	out, err := command.CombinedOutput()
	require.NoError(t, err, "troupe %s: %s", strings.Join(args, " "), out)
	return string(out)
}
