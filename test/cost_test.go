package test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
	"troupe/test/invariants"
	"troupe/test/load"
)

// The budgets of an order under load: what the services have PostgreSQL write and RabbitMQ
// route for it. The load is a backlog, so that the figures do not depend on the machine: 24 rows,
// 84 WAL records, 13.6 kB and 0.3 messages. Lower the budgets when an order costs less.
const (
	mostRows       = 27
	mostWALRecords = 95
	mostWALBytes   = 15_000
	mostMessages   = 1
)

// What is written costs more than anything else that an order does. All orders are placed while
// the services that carry them out are stopped, so that those find full batches when they start,
// however fast the machine is. The servers are the test's own, so that they count nothing else. The
// journal is off: what it records is limited in a second, and not for an order.
func TestAnOrderWritesFewRows(t *testing.T) {
	t.Parallel()
	const orders = 2000
	s, surge := startCounted(t, "JOURNAL=off", "ORDERS_ADMISSION_FIRST="+strconv.Itoa(2*orders), "ORDERS_ADMISSION_WAIT=1h")
	require.NoError(t, s.Stop()) // each session reports what it has written by its end
	before, err := s.servers.Written(t.Context(), cluster.Backends()...)
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context(), "gateway", "users", "orders"))
	require.NoError(t, surge.Burst(t.Context(), orders, 64))
	require.NoError(t, s.Start(t.Context(), "inventory", "payments", "notifications"))
	s.awaitEnd(t)
	require.NoError(t, s.Stop())

	written, err := s.servers.Written(t.Context(), cluster.Backends()...)
	require.NoError(t, err)
	written = written.Minus(before).Per(orders)
	for service, rows := range written.Rows {
		t.Logf("%s: %.1f rows for an order", service, rows)
	}
	t.Logf("for an order: %.1f rows, %.0f WAL records, %.0f bytes of WAL, %.1f messages",
		written.AllRows(), written.WALRecords, written.WALBytes, written.Messages)
	require.Greater(t, written.AllRows(), 15.0, "PostgreSQL has not counted all")
	require.Greater(t, written.Messages, 0.1, "RabbitMQ has not counted all")
	require.Less(t, written.AllRows(), float64(mostRows))
	require.Less(t, written.WALRecords, float64(mostWALRecords))
	require.Less(t, written.WALBytes, float64(mostWALBytes))
	require.Less(t, written.Messages, float64(mostMessages))
}

// counted is a system with a process for each service, on servers of its own that count what
// is written.
type counted struct {
	*system
	servers   *cluster.Servers
	databases invariants.Databases
}

// startCounted starts a system that has products and customers, who can place orders.
func startCounted(t *testing.T, settings ...string) (counted, *load.Surge) {
	t.Helper()
	binary, err := program()
	require.NoError(t, err)
	servers := cluster.OwnServers(t)
	urls, err := servers.CreateDatabases(t.Context())
	require.NoError(t, err)
	s := counted{servers: servers, system: startSystem(t, cluster.Config{
		Kind: cluster.ProcessPerService, Program: binary, Databases: urls, AMQP: servers.AMQP(), Settings: append([]string{"LOG_LEVEL=error"}, settings...),
	})}
	s.databases = openDatabases(t, s.Cluster)
	g := load.Generator{Gateway: s.URL("gateway"), AdminEmail: cluster.AdminEmail, AdminPassword: cluster.AdminPassword}
	require.NoError(t, g.Prepare(t.Context(), 10))
	surge, err := g.NewSurge(t.Context(), 100)
	require.NoError(t, err)
	awaitQuiet(t, s.databases)
	return s, surge
}

// awaitEnd waits until nothing is left to do. Other than awaitQuiet it expires no leases, after
// which what they covered is written again.
func (c counted) awaitEnd(t *testing.T) {
	t.Helper()
	var wrong error
	require.Eventually(t, func() bool {
		wrong = errors.Join(invariants.Quiet(t.Context(), c.databases), invariants.EveryCustomerNotified(t.Context(), c.databases))
		return wrong == nil
	}, 2*timeout, 50*pollInterval, "%v", delayedError{&wrong})
}
