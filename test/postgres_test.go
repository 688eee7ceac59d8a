package test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/sqldb"
	"troupe/test/cluster"
)

// postgresSystem is a system on a PostgreSQL of its own, and the administrator of that.
type postgresSystem struct {
	*system
	admin sqldb.DB
	ada   *client.Client
	first string // the id of an order
}

// startOnPostgres starts a system whose orders are kept in this tablespace.
func startOnPostgres(t *testing.T, servers *cluster.Servers, admin sqldb.DB, tablespace string) postgresSystem {
	t.Helper()
	databases, err := servers.CreateDatabases(t.Context())
	require.NoError(t, err)
	if tablespace != "" {
		administer(t, admin, "ALTER DATABASE orders SET TABLESPACE "+tablespace)
	}
	p := postgresSystem{system: startSystem(t, cluster.Config{Kind: cluster.Replicated, Databases: databases}), admin: admin}
	p.addProduct(t, "lantern", 1299, 100_000)
	p.ada = p.newCustomer(t)
	p.first = p.mustPlace(t)
	return p
}

func administer(t *testing.T, admin sqldb.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := admin.Exec(context.WithoutCancel(t.Context()), statement)
		require.NoError(t, err)
	}
}

func (p postgresSystem) place(ctx context.Context) (id string, err error) {
	o, err := p.ada.PlaceOrder(ctx, "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
	return o.ID, err
}

func (p postgresSystem) mustPlace(t *testing.T) string {
	t.Helper()
	id, err := p.place(t.Context())
	require.NoError(t, err)
	return id
}

// requireRefused requires that orders are refused with this code, and nothing else, for
// longer than would open the circuit, and that reading works. It returns the ids of orders
// that were accepted all the same: a full disk may have room for a smaller commit.
func (p postgresSystem) requireRefused(t *testing.T, code string) (accepted []string) {
	t.Helper()
	var refusal *client.Problem
	for refused := 0; refused < 30; {
		id, err := p.place(t.Context())
		if err == nil {
			accepted = append(accepted, id)
			require.Less(t, len(accepted), 1000, "orders are accepted")
			continue
		}
		refused++
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 503, refusal.Status)
		require.Equal(t, code, refusal.Code)
		_, err = p.ada.Order(t.Context(), p.first)
		require.NoError(t, err, "reading works")
	}
	return accepted
}

// requireRecovered requires that orders are accepted again, and completed.
func (p postgresSystem) requireRecovered(t *testing.T) {
	t.Helper()
	var id string
	require.Eventually(t, func() (accepted bool) {
		var err error
		id, err = p.place(t.Context())
		return err == nil
	}, timeout, pollInterval, "it does not recover by itself")
	require.Equal(t, "confirmed", p.awaitEvent(t, p.ada, id, "order.paid.v1").Status)
}

const endHalf = `SELECT pg_terminate_backend(pid) FROM (SELECT pid, row_number() OVER (ORDER BY pid) AS n FROM pg_stat_activity
	WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS sessions WHERE n % 2 = 0`

// An operator makes the server read-only and ends half of the sessions
// (cloudnative-pg/cloudnative-pg#1254), and then changes the password.
func TestAPostgresThatIsReadOnlyOrHasAnotherPasswordRefusesForATime(t *testing.T) {
	t.Parallel()
	servers := cluster.OwnServers(t, "start-postgres")
	admin, err := sqldb.Open(t.Context(), servers.DatabaseURL("postgres"), sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	p := startOnPostgres(t, servers, admin, "")

	administer(t, admin, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	p.requireRefused(t, "storage_read_only")
	administer(t, admin, endHalf)
	require.Eventually(t, func() bool { // an ended session answers one request with data_unavailable
		_, err := p.place(t.Context())
		_, reading := p.ada.Order(t.Context(), p.first)
		return isRefusal(err, "storage_read_only") && reading == nil
	}, timeout, pollInterval)
	administer(t, admin, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()", endHalf)
	p.requireRecovered(t)

	administer(t, admin, "ALTER ROLE troupe PASSWORD 'another'", endHalf, endHalf, endHalf)
	require.Eventually(t, func() bool {
		administer(t, admin, endHalf)
		_, err := p.place(t.Context())
		require.True(t, err == nil || isRefusal(err, "data_unavailable"), "%v", err)
		return err != nil
	}, timeout, pollInterval)
	administer(t, admin, "ALTER ROLE troupe PASSWORD 'troupe'")
	p.requireRecovered(t)
}

// The file system of a tablespace is full: PostgreSQL's error 53100.
func TestAPostgresWithoutSpaceRefusesOrdersForATime(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("only root may mount a small file system")
	}
	servers := cluster.OwnServers(t, "start-postgres")
	admin, err := sqldb.Open(t.Context(), servers.DatabaseURL("postgres"), sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close()) })
	small := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "size=14m,mode=0777", "tmpfs", small)
	t.Cleanup(func() { run(t, "umount", "--lazy", small) })
	run(t, "chown", "postgres", small)
	administer(t, admin, "CREATE TABLESPACE small LOCATION '"+small+"'")
	p := startOnPostgres(t, servers, admin, "small")

	accepted, refusal := placeUntilRefused(t, p.ada)
	require.Equal(t, 503, refusal.Status)
	require.Equal(t, "storage_full", refusal.Code)
	accepted = append(accepted, p.requireRefused(t, "storage_full")...)
	run(t, "mount", "-o", "remount,size=200m", small)
	p.requireRecovered(t)
	for _, id := range accepted {
		require.Equal(t, "confirmed", p.awaitEvent(t, p.ada, id, "order.paid.v1").Status)
	}
}

// isRefusal reports whether err is a 503 with this code.
func isRefusal(err error, code string) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && problem.Status == 503 && problem.Code == code
}

func run(t *testing.T, command string, arguments ...string) {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), command, arguments...).CombinedOutput()
	require.NoError(t, err, string(out))
}
