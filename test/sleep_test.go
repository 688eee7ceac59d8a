package test

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
)

// placeMany places orders that wait for a slow payment, all at once, and returns their ids.
func placeMany(t *testing.T, c *client.Client, n int) []string {
	t.Helper()
	ids := make([]string, n)
	var requests sync.WaitGroup
	for i := range ids {
		requests.Go(func() {
			o, err := c.PlaceOrder(t.Context(), "pm_fake_slow", client.Item{SKU: "lantern", Quantity: 1})
			if err == nil {
				ids[i] = o.ID
			}
		})
	}
	requests.Wait()
	require.NotContains(t, ids, "")
	return ids
}

// signalAll sends a signal to every process of the system.
func (s *system) signalAll(t *testing.T, signal syscall.Signal) {
	t.Helper()
	for _, name := range s.Nodes() {
		require.NoError(t, syscall.Kill(s.PID(name), signal))
	}
}

// A laptop is shut, a virtual machine is migrated, a container is paused: deadlines that
// passed during a suspension all fire on resume (gsong/eyebreak#29, systemd/systemd#43464,
// woodcoder/circa#18).
func TestAMachineThatSleepsCancelsNoOrder(t *testing.T) {
	t.Parallel()
	const deadline = 10 * time.Second
	for name, kind := range map[string]cluster.Kind{"in one process": cluster.OneProcess, "a process for each service": cluster.ProcessPerService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary, err := program()
			require.NoError(t, err)
			s := startSystem(t, cluster.Config{Kind: kind, Program: binary, Settings: []string{
				"ORDERS_DEADLINE=" + deadline.String(), "INVENTORY_HOLD_EXPIRY=30s", "PAYMENTS_PROVIDER_DELAYS=true",
			}})
			s.addProduct(t, "lantern", 1299, 100)
			ada := s.newCustomer(t)
			ids := placeMany(t, ada, 20)
			s.signalAll(t, syscall.SIGSTOP)
			<-time.After(deadline + 2*time.Second) // it is the time itself that has to pass
			s.signalAll(t, syscall.SIGCONT)
			for _, id := range ids {
				require.Equal(t, "confirmed", s.awaitDecision(t, ada, id).Status)
			}
		})
	}
}

// awaitDecision waits until an order is no longer pending, and returns it.
func (s *system) awaitDecision(t *testing.T, c *client.Client, id string) (o client.Order) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		o, err = c.Order(t.Context(), id)
		return err == nil && o.Status != "pending"
	}, timeout, pollInterval, "order %s is never decided", id)
	return o
}
