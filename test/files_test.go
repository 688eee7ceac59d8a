package test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
	"troupe/test/invariants"
)

// The cheapest way apart: a process and a SQLite file for each service, and RabbitMQ
// between them. One service is killed while customers order, and all accounts agree.
func TestServicesOnFilesOfTheirOwnShareABroker(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	c := cluster.Start(t, cluster.Config{Kind: cluster.FilePerService, Program: binary, Settings: []string{"LOG_LEVEL=error"}})
	databases := openDatabases(t, c)
	customers := newLoad(t, c, 4)
	ctx, cancel := context.WithTimeout(t.Context(), backupTimeout)
	defer cancel()
	ordered := make(chan error, 1)
	go func() { ordered <- errors.Join(customers.PlaceOrders(ctx, 60), customers.Wait()) }()
	require.Eventually(t, func() bool { return customers.Accepted() >= 10 }, backupTimeout, pollInterval)
	require.NoError(t, c.Kill("inventory"))
	require.NoError(t, c.Start(ctx, "inventory"))
	require.NoError(t, <-ordered)
	require.NoError(t, invariants.AwaitQuiet(ctx, databases))
}
