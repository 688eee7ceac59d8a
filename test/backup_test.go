package test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/test/cluster"
	"troupe/test/invariants"
)

// backupTimeout bounds what takes seconds, on a machine that is busy.
const backupTimeout = 5 * time.Minute

// Backups are made while customers order. Each is restored elsewhere, and the system that
// starts on it carries every order that it has to an end at which all accounts agree.
func TestABackupUnderLoadIsRestoredElsewhere(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	running := cluster.Start(t, cluster.Config{Kind: cluster.OneProcess, Program: binary, Settings: []string{"LOG_LEVEL=error"}})
	customers := newLoad(t, running, 8)
	ctx, cancel := context.WithTimeout(t.Context(), backupTimeout)
	defer cancel()
	ordered := make(chan error, 1)
	go func() { ordered <- customers.PlaceOrders(ctx, 400) }()
	dir := t.TempDir()
	accepted := map[string]int64{} // before each backup
	for n, name := range []string{"first", "second", "third.tar.gz"} {
		require.Eventually(t, func() bool { return customers.Accepted() >= int64(20+60*n) }, backupTimeout, pollInterval)
		backup := filepath.Join(dir, name)
		accepted[backup] = customers.Accepted()
		runTroupe(t, binary, "backup", backup, "--data", running.Data)
	}
	require.NoError(t, <-ordered)
	require.NoError(t, customers.Wait())
	require.NoError(t, running.Stop())
	for backup, before := range accepted {
		orders := restoredOrders(t, binary, backup, filepath.Join(dir, "restored-"+filepath.Base(backup)))
		require.GreaterOrEqual(t, orders, before, "a backup has every order that was accepted before it began")
	}
}

// restoredOrders restores a backup, starts a system on it and waits until it has nothing
// left to do. It returns how many orders there are.
func restoredOrders(t *testing.T, binary, backup, data string) (orders int64) {
	t.Helper()
	runTroupe(t, binary, "restore", backup, "--data", data)
	refused, err := exec.CommandContext(t.Context(), binary, "restore", backup, "--data", data).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(refused), "has databases already")
	restored := cluster.Start(t, cluster.Config{Kind: cluster.OneProcess, Program: binary, Data: data, Settings: []string{"LOG_LEVEL=error"}})
	databases := openDatabases(t, restored)
	ctx, cancel := context.WithTimeout(t.Context(), backupTimeout)
	defer cancel()
	require.NoError(t, invariants.AwaitQuiet(ctx, databases), backup)
	require.NoError(t, databases["orders"].QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&orders))
	return orders
}

func runTroupe(t *testing.T, binary string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestABackupThatWasChangedIsNotRestored(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	running := cluster.Start(t, cluster.Config{Kind: cluster.OneProcess, Program: binary, Settings: []string{"LOG_LEVEL=error"}})
	dir := t.TempDir()
	backup := filepath.Join(dir, "backup")
	runTroupe(t, binary, "backup", backup, "--data", running.Data)
	file := filepath.Join(backup, "orders.db")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	content[len(content)-1] ^= 1
	require.NoError(t, os.WriteFile(file, content, 0o600))
	for args, want := range map[[4]string]string{
		{"restore", backup, "--data", filepath.Join(dir, "other")}: "orders.db of the backup has changed",
		{"restore", backup, "--data", running.Data}:                "orders.db of the backup has changed",
		{"restore", dir, "--data", filepath.Join(dir, "other")}:    "is no backup",
		{"backup", backup, "--data", running.Data}:                 "exists already",
		{"backup", backup + "2", "--data", dir}:                    "no database files",
	} {
		out, err := exec.CommandContext(t.Context(), binary, args[:]...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
	}
}

// A dump of each service's database, made while the services are stopped, is restored on
// empty databases by the scripts of deploy/postgres.
func TestDumpsOfPostgreSQLAreRestored(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	running := cluster.Start(t, cluster.Config{Kind: cluster.Distributed, Program: binary, Settings: []string{"LOG_LEVEL=error"}})
	customers := newLoad(t, running, 4)
	ctx, cancel := context.WithTimeout(t.Context(), backupTimeout)
	defer cancel()
	require.NoError(t, errors.Join(customers.PlaceOrders(ctx, 20), customers.Wait()))
	require.NoError(t, invariants.AwaitQuiet(ctx, openDatabases(t, running)))
	require.NoError(t, running.Stop())

	dumps := filepath.Join(t.TempDir(), "dumps")
	server, err := url.Parse(running.Server)
	require.NoError(t, err)
	runPostgresScript(t, server, "backup.sh", dumps)
	emptyDatabases(t, running)
	runPostgresScript(t, server, "restore.sh", dumps)
	require.NoError(t, running.Start(t.Context()))

	databases := openDatabases(t, running)
	var orders int64
	require.NoError(t, databases["orders"].QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&orders))
	require.GreaterOrEqual(t, orders, customers.Accepted())
	require.NoError(t, errors.Join(customers.PlaceOrders(ctx, 5), customers.Wait()))
	require.NoError(t, invariants.AwaitQuiet(ctx, databases))
}

// emptyDatabases drops what all services have stored, as a new server would not have it.
func emptyDatabases(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	server, err := sqldb.Open(t.Context(), c.Server, sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	for _, service := range cluster.Backends() {
		at, err := url.Parse(c.Database(service))
		require.NoError(t, err)
		name := strings.TrimPrefix(at.Path, "/")
		_, err = server.Exec(t.Context(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
		_, err = server.Exec(t.Context(), "CREATE DATABASE "+name)
		require.NoError(t, err)
	}
}

// runPostgresScript runs a script of deploy/postgres for the databases beside the one at the URL.
func runPostgresScript(t *testing.T, server *url.URL, script, folder string) {
	t.Helper()
	var names []string
	for _, service := range cluster.Backends() {
		names = append(names, strings.TrimPrefix(server.Path, "/")+"_"+service)
	}
	password, _ := server.User.Password()
	command := exec.CommandContext(t.Context(), "../deploy/postgres/"+script, folder)
	command.Env = append(os.Environ(), "PGHOST="+server.Hostname(), "PGPORT="+server.Port(), "PGPASSWORD="+password,
		"POSTGRES_USER="+server.User.Username(), "SERVICES="+strings.Join(names, " "))
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
