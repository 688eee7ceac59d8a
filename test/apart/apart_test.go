package apart_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/apart"
	"troupe/test/crowd"
	"troupe/test/process"
)

// methods end in every way an order can.
var methods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_fake_timeout_then_charged", "pm_fake_capture_fails",
}

// customersOf are customers of a system, who find the shelves full.
func customersOf(t *testing.T, s *apart.System, n int) *crowd.Crowd {
	t.Helper()
	c := &crowd.Crowd{
		Gateway: s.URL("gateway"), AdminEmail: apart.AdminEmail, AdminPassword: apart.AdminPassword,
		Customers: n, Methods: methods, Pace: 50 * time.Millisecond,
	}
	require.NoError(t, c.Open(t.Context(), 20))
	return c
}

// meanwhile has them order, all the time that something happens to the system.
func meanwhile(t *testing.T, c *crowd.Crowd, happens func()) {
	t.Helper()
	over, ordered := make(chan struct{}), make(chan error, 1)
	go func() { ordered <- orderUntil(t.Context(), c, over) }()
	untilOrdersAreTaken(t, c)
	happens()
	close(over)
	require.NoError(t, <-ordered)
	require.NoError(t, c.Finish())
}

// untilOrdersAreTaken waits for a good number, more than a circuit takes to close.
func untilOrdersAreTaken(t *testing.T, c *crowd.Crowd) {
	t.Helper()
	before := c.Accepted()
	require.Eventually(t, func() bool { return c.Accepted() > before+10 }, time.Minute, time.Millisecond, "nothing is ordered")
}

func orderUntil(ctx context.Context, c *crowd.Crowd, over <-chan struct{}) error {
	for {
		if err := c.Order(ctx, 40); err != nil {
			return err
		}
		select {
		case <-over:
			return nil
		default:
		}
	}
}

func register(t *testing.T, s *apart.System) *client.Client {
	t.Helper()
	ada, err := client.New(s.URL("gateway")).Register(t.Context(), "ada@example.com", "a customer's own passphrase", "Ada")
	require.NoError(t, err)
	return ada
}

// place places a few orders, each of which must be taken at once.
func place(t *testing.T, c *client.Client) (ids []string) {
	t.Helper()
	for range 10 {
		o, err := c.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		require.Equal(t, "pending", o.Status)
		ids = append(ids, o.ID)
	}
	return ids
}

// Taking an order needs nobody but orders.
func TestOrdersAreTakenWithEverythingElseDown(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	s := apart.StartWith(t, apart.Config{AMQP: proxy.URL})
	customersOf(t, s, 1)
	ada := register(t, s)
	s.Stop("users", "inventory", "payments", "notifications")
	proxy.Down()
	first := place(t, ada)
	s.Stop("orders") // which then has to remember users' keys
	s.Start("orders")
	second := place(t, ada)

	s.Start("users", "inventory", "payments", "notifications")
	proxy.Restore(t)
	s.ComesToRest()
	for _, id := range append(first, second...) {
		o, err := ada.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "confirmed", o.Status)
		require.Equal(t, "captured", o.PaymentState)
	}
}

// A new version comes without anybody noticing: one replica after the other is
// stopped and started, while customers order.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	s := apart.Start(t, 2)
	c := customersOf(t, s, 6)
	meanwhile(t, c, func() {
		for _, service := range apart.Behind {
			for n := range 2 {
				s.StopReplica(service, n)
				s.StartReplica(service, n)
			}
		}
	})
	require.Zero(t, c.Again(), "requests failed, the last one: %v", c.Why())
	s.ComesToRest()
}

func TestAReplicaIsKilled(t *testing.T) {
	t.Parallel()
	s := apart.StartWith(t, apart.Config{Replicas: 2, Program: program(t)})
	c := customersOf(t, s, 6)
	for n, service := range apart.Behind {
		meanwhile(t, c, func() {
			s.KillReplica(service, n%2)
			s.StartReplica(service, n%2)
		})
	}
	s.ComesToRest()
}

// What was accepted comes to its end whatever the servers do.
func TestTheServersRestart(t *testing.T) {
	t.Parallel()
	own := startServers(t)
	s := apart.StartWith(t, apart.Config{Replicas: 2, Databases: own.databases, AMQP: own.amqp})
	c, ada := customersOf(t, s, 6), register(t, s)
	meanwhile(t, c, func() {
		own.do("restart-postgres")
		untilOrdersAreTaken(t, c)
		own.do("stop-rabbit")
		place(t, ada)
		own.do("start-rabbit")
	})
	s.ComesToRest()
	meanwhile(t, c, func() { // as in a power cut
		own.do("kill-postgres")
		own.do("start-postgres")
		untilOrdersAreTaken(t, c)
		own.do("kill-rabbit")
		place(t, ada)
		own.do("start-rabbit")
	})
	s.ComesToRest()
}

// program is the real one, built for this test.
func program(t *testing.T) string {
	t.Helper()
	path, err := process.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	return path
}
