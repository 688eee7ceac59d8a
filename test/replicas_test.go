package test

import (
	"context"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/cluster"
	"troupe/test/load"
)

// Accepting an order needs no service but orders (and the gateway in front of it).
func TestOrdersAreAcceptedWhileAllElseIsDown(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, AMQP: proxy.URL})
	newLoad(t, s.Cluster, 1)
	ada := s.newCustomer(t)
	require.NoError(t, s.Stop("users", "inventory", "payments", "notifications"))
	proxy.Down()
	first := placeTen(t, ada)
	require.NoError(t, s.Stop("orders")) // after its next start it needs the keys of users, which is down
	require.NoError(t, s.Start(t.Context(), "orders"))
	second := placeTen(t, ada)

	require.NoError(t, s.Start(t.Context(), "users", "inventory", "payments", "notifications"))
	proxy.Restore(t)
	awaitQuiet(t, openDatabases(t, s.Cluster))
	for _, id := range append(first, second...) {
		o, err := ada.Order(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "confirmed", o.Status)
		require.Equal(t, "captured", o.PaymentState)
	}
}

// A new version is rolled out unnoticed: one replica after the other is stopped and
// started while customers order.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Replicas: 2})
	g := newPacedLoad(t, s.Cluster)
	underLoad(t, g, func() {
		for _, service := range cluster.Backends() {
			for _, replica := range []string{service + "/0", service + "/1"} {
				require.NoError(t, s.Stop(replica))
				require.NoError(t, s.Start(t.Context(), replica))
			}
		}
	})
	require.Zero(t, g.Retries(), "requests failed, the last one: %v", g.LastError())
	awaitQuiet(t, openDatabases(t, s.Cluster))
}

func TestTheGatewayUsesTheReplicasThatAreThere(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Replicas: 2})
	targets := func() string {
		return s.metric(t, `troupe_gateway_upstream_targets{state="healthy",upstream="inventory"}`)
	}
	require.Eventually(t, func() bool { return targets() == "2" }, timeout, pollInterval)
	picks := regexp.MustCompile(`(?m)^troupe_gateway_upstream_picks_total\{target="127[^"]+",upstream="inventory"\} (\d+)$`)
	for range 100 {
		require.Equal(t, 200, s.send(t, rawRequest{method: "GET", path: "/products"}).status)
	}
	shares := picks.FindAllSubmatch(s.send(t, rawRequest{method: "GET", path: "/metrics"}).body, -1)
	require.Len(t, shares, 2)
	for _, share := range shares {
		n, err := strconv.Atoi(string(share[1]))
		require.NoError(t, err)
		require.InDelta(t, 50, n, 30)
	}
	require.NoError(t, s.Stop("inventory/0"))
	require.Eventually(t, func() bool { return targets() == "1" }, timeout, pollInterval, "it goes on with one")
	require.NoError(t, s.Start(t.Context(), "inventory/0"))
	require.Eventually(t, func() bool { return targets() == "2" }, timeout, pollInterval, "and finds the other again")
}

func TestAKilledReplicaLosesNothing(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Replicas: 2, Program: binary})
	g := newPacedLoad(t, s.Cluster)
	for n, service := range cluster.Backends() {
		replica := []string{service + "/0", service + "/1"}[n%2]
		underLoad(t, g, func() {
			require.NoError(t, s.Kill(replica))
			require.NoError(t, s.Start(t.Context(), replica))
		})
	}
	awaitQuiet(t, openDatabases(t, s.Cluster))
}

// Every accepted order is completed although PostgreSQL and RabbitMQ are restarted or killed.
func TestOrdersSurviveRestartsOfTheServers(t *testing.T) {
	t.Parallel()
	servers := cluster.OwnServers(t)
	databases, err := servers.CreateDatabases(t.Context())
	require.NoError(t, err)
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Replicas: 2, Databases: databases, AMQP: servers.AMQP()})
	do := func(command string) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		require.NoError(t, servers.Do(ctx, command))
	}
	g, ada := newPacedLoad(t, s.Cluster), s.newCustomer(t)
	underLoad(t, g, func() {
		do("restart-postgres")
		awaitOrders(t, g)
		do("stop-rabbit")
		placeTen(t, ada)
		do("start-rabbit")
	})
	awaitQuiet(t, openDatabases(t, s.Cluster))
	underLoad(t, g, func() { // as in a power cut
		do("kill-postgres")
		do("start-postgres")
		awaitOrders(t, g)
		do("kill-rabbit")
		placeTen(t, ada)
		do("start-rabbit")
	})
	awaitQuiet(t, openDatabases(t, s.Cluster))
}

// newPacedLoad returns a load that leaves the machine time for restarts.
func newPacedLoad(t *testing.T, c *cluster.Cluster) *load.Generator {
	t.Helper()
	g := newLoad(t, c, 6)
	g.Interval = 50 * time.Millisecond
	return g
}

// underLoad places orders all the time until the function returns.
func underLoad(t *testing.T, g *load.Generator, do func()) {
	t.Helper()
	over, ordered := make(chan struct{}), make(chan error, 1)
	go func() { ordered <- placeOrdersUntil(t.Context(), g, over) }()
	awaitOrders(t, g)
	do()
	close(over)
	require.NoError(t, <-ordered)
	require.NoError(t, g.Wait())
}

// awaitOrders waits until more orders are accepted than a circuit breaker needs to close.
func awaitOrders(t *testing.T, g *load.Generator) {
	t.Helper()
	before := g.Accepted()
	require.Eventually(t, func() bool { return g.Accepted() > before+10 }, time.Minute, time.Millisecond, "no order is accepted")
}

func placeOrdersUntil(ctx context.Context, g *load.Generator, over <-chan struct{}) error {
	for {
		if err := g.PlaceOrders(ctx, 40); err != nil {
			return err
		}
		select {
		case <-over:
			return nil
		default:
		}
	}
}

// placeTen places ten orders, each of which must be accepted at once.
func placeTen(t *testing.T, c *client.Client) (ids []string) {
	t.Helper()
	for range 10 {
		o, err := c.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		require.Equal(t, "pending", o.Status)
		ids = append(ids, o.ID)
	}
	return ids
}
