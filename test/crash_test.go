package test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/invariants"
	"troupe/test/process"
)

// program builds the real program once for all tests.
var program = sync.OnceValues(func() (string, error) {
	return process.Build(context.Background(), built)
})

// built is where it is, until TestMain removes it.
var built string

// methods end in every way an order can.
var methods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_fake_timeout_then_charged", "pm_fake_capture_fails",
}

// Killed in the middle of 500 orders, the system carries every one it accepted
// to its end: no money without goods, no goods without money, nothing held.
func TestEveryAcceptedOrderSurvivesAKill(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	troupe := &process.Troupe{
		Binary: binary, Data: t.TempDir(), Output: t.Output(), Env: []string{"ADMIN_PASSWORD=" + adminPassword, "LOG_LEVEL=error", "PASSWORD_HASH_COST=insecure", "PROVIDER_DELAYS=false"},
	}
	require.NoError(t, troupe.Start(t.Context()))
	s := &system{url: troupe.URL}
	s.admin = s.login(t, adminEmail, adminPassword)
	s.offer(t, "lantern", 1299, 400) // fewer than are wanted: some orders find the shelf empty
	ada := s.customer(t)

	accepted := placeUntilDeath(t, ada, 500, func() { require.NoError(t, troupe.Kill()) })
	require.GreaterOrEqual(t, len(accepted), 400)
	databases := databasesIn(t, troupe.Data)
	require.NoError(t, invariants.LeasesRunOut(t.Context(), databases))
	require.NoError(t, troupe.Start(t.Context()))
	for _, id := range accepted {
		_, err := ada.Order(t.Context(), id)
		require.NoError(t, err, "an accepted order is lost")
	}
	comesToRest(t, databases)
	require.NoError(t, troupe.Stop())
}

// comesToRest waits until all invariants of a quiet system hold.
func comesToRest(t *testing.T, d invariants.Databases) {
	t.Helper()
	var wrong error
	require.Eventually(t, func() bool {
		wrong = invariants.Quiet(t.Context(), d)
		return wrong == nil
	}, patience, 100*time.Millisecond, "%v", lazy{&wrong})
}

// lazy prints an error as it is when it is printed.
type lazy struct{ err *error }

func (l lazy) String() string { return fmt.Sprint(*l.err) }

// placeUntilDeath places n orders from many customers at once, kills the system
// when four in five are accepted, and gives the ids of the accepted ones.
func placeUntilDeath(t *testing.T, c *client.Client, n int, kill func()) []string {
	t.Helper()
	var mu sync.Mutex
	var accepted []string
	var once sync.Once
	var customers sync.WaitGroup
	for lane := range 16 {
		customers.Go(func() {
			for i := lane; i < n; i += 16 {
				o, err := c.PlaceOrder(t.Context(), methods[i%len(methods)], client.Item{SKU: "lantern", Quantity: int64(1 + i%3)})
				if err != nil {
					return // dead
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
	customers.Wait()
	return accepted
}

// databasesIn opens the databases of a system in another process.
func databasesIn(t *testing.T, dir string) invariants.Databases {
	t.Helper()
	s, all := &system{databases: filesIn(dir)}, invariants.Databases{}
	for service := range s.databases {
		all[service] = s.database(t, service)
	}
	return all
}
