package test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
	"troupe/test/invariants"
	"troupe/test/load"
)

// Killed in the middle of 500 orders, the system completes every one it accepted:
// no money is taken without goods, no goods leave without money, nothing stays held.
func TestEveryAcceptedOrderSurvivesAKill(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	s := startSystem(t, cluster.Config{Kind: cluster.OneProcess, Program: binary, Settings: []string{"LOG_LEVEL=error"}})
	s.addProduct(t, "lantern", 1299, 400) // fewer than are ordered, so some orders find none left
	ada := s.newCustomer(t)

	accepted := placeOrdersUntilKilled(t, ada, 500, func() { require.NoError(t, s.Kill(cluster.AllInOne)) })
	require.GreaterOrEqual(t, len(accepted), 400)
	databases := openDatabases(t, s.Cluster)
	require.NoError(t, invariants.ExpireLeases(t.Context(), databases))
	require.NoError(t, s.Start(t.Context()))
	for _, id := range accepted {
		_, err := ada.Order(t.Context(), id)
		require.NoError(t, err, "an accepted order is lost")
	}
	awaitQuiet(t, databases)
}

// placeOrdersUntilKilled places n orders with 16 requests at a time, kills the system
// when four in five are accepted, and returns the ids of the accepted ones.
func placeOrdersUntilKilled(t *testing.T, c *client.Client, n int, kill func()) []string {
	t.Helper()
	var mu sync.Mutex
	var accepted []string
	var once sync.Once
	var clients sync.WaitGroup
	const atOnce = 16
	for first := range atOnce {
		clients.Go(func() {
			for i := first; i < n; i += atOnce {
				method := load.MixedMethods[i%len(load.MixedMethods)]
				o, err := c.PlaceOrder(t.Context(), method, client.Item{SKU: "lantern", Quantity: int64(1 + i%3)})
				if err != nil {
					return // the system was killed
				}
				mu.Lock()
				accepted = append(accepted, o.ID)
				enough := len(accepted) >= n*4/5
				mu.Unlock()
				if enough {
					once.Do(kill)
				}
			}
		})
	}
	clients.Wait()
	return accepted
}
