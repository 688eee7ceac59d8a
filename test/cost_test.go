package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
	"troupe/test/invariants"
	"troupe/test/load"
)

// The budgets of an order under load: what the services have PostgreSQL write and
// RabbitMQ route for it. A busy machine lets more orders wait, which are then written
// together: of the measured 24 to 29 rows, 94 to 129 WAL records and 16 to 20 kB, the larger
// figures are those of a quiet one. Lower the budgets when an order costs less.
const (
	mostRows       = 32
	mostWALRecords = 145
	mostWALBytes   = 22_500
	mostMessages   = 2
)

// What is written costs more than anything else that an order does. The servers are the
// test's own, so that they count nothing else. The journal is off: what it records is limited in
// a second, and not for an order.
func TestAnOrderWritesFewRows(t *testing.T) {
	t.Parallel()
	s, surge := startCounted(t, "JOURNAL=off")
	before, err := s.servers.Written(t.Context(), cluster.Backends()...)
	require.NoError(t, err)
	const orders = 2000
	require.NoError(t, surge.Burst(t.Context(), orders, 64))
	awaitQuiet(t, s.databases)
	require.NoError(t, s.Stop()) // each session reports what it has written by its end

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
