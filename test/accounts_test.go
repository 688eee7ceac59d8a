package test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/cluster"
)

// accounts imports deploy/rabbitmq/definitions.json into a virtual host and returns the
// URL of each service's user.
func accounts(t *testing.T) map[string]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../deploy/rabbitmq/definitions.sh")
	command.Env = append(os.Environ(), "RABBITMQ_PASSWORD=own-of-troupe")
	for _, service := range cluster.Backends() {
		command.Env = append(command.Env, strings.ToUpper(service)+"_RABBITMQ_PASSWORD=own-of-"+service)
	}
	filled, err := command.Output()
	require.NoError(t, err)
	return rabbittest.Import(t, filled)
}

// Every order is completed, and every customer notified, with the permissions of
// deploy/rabbitmq.
func TestTheSystemWorksWithAUserOfRabbitMQForEachService(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Accounts: accounts(t)})
	g := newLoad(t, s.Cluster, 4)
	underLoad(t, g, func() { awaitOrders(t, g) })
	placeTen(t, s.newCustomer(t))
	awaitQuiet(t, openDatabases(t, s.Cluster))
}

// brokerLog collects what a bus logs.
type brokerLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *brokerLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *brokerLog) contains(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), what)
}

// An attacker who has taken over notifications has its password of RabbitMQ.
func TestABrokenNotificationsCanNeitherPublishAPaymentNorReadTheQueueOfOrders(t *testing.T) {
	t.Parallel()
	log := &brokerLog{}
	b, err := rabbit.Open(t.Context(), rabbit.Config{
		URL: accounts(t)["notifications"], Name: "notifications", Topology: events.Topology,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })

	for _, eventType := range []string{"payment.authorized.v1", "user.deleted.v1", "session.revoked.v1"} {
		err := b.Publish(t.Context(), []bus.Message{{ID: "forged", Type: eventType, Body: []byte("{}")}})[0]
		require.ErrorContains(t, err, "ACCESS_REFUSED", eventType)
	}
	require.NoError(t, b.Publish(t.Context(), []bus.Message{{ID: "own", Type: "notification.sent.v1", Body: []byte("{}")}})[0])

	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Go(func() {
		_ = b.Subscribe(ctx, "orders", func(context.Context, []bus.Delivery) error { return nil }) // it only retries
	})
	require.Eventually(t, func() bool {
		return log.contains("access to queue 'orders.events.v1'") && log.contains("access to queue 'orders.dead.v1'")
	}, timeout, pollInterval)
}
