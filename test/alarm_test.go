package test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/test/cluster"
)

// A broker that is low on memory or disk blocks its publishers. Orders are accepted, their events
// wait in the outbox, and all goes on by itself.
func TestABrokerThatIsLowOnMemoryOrDiskHoldsBackEventsOnly(t *testing.T) {
	t.Parallel()
	servers := cluster.OwnServers(t)
	databases, err := servers.CreateDatabases(t.Context())
	require.NoError(t, err)
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Databases: databases, AMQP: servers.AMQP()})
	newLoad(t, s.Cluster, 1)
	ada := s.newCustomer(t)
	control := func(arguments ...string) {
		require.NoError(t, servers.Do(t.Context(), append([]string{"rabbitmqctl"}, arguments...)...))
	}
	for _, alarm := range []struct{ setting, low, enough, reason string }{
		{"set_vm_memory_high_watermark", "0", "0.6", "low on memory"},
		{"set_disk_free_limit", "mem_relative 100000", "1MB", "low on disk"},
	} {
		control(append([]string{alarm.setting}, strings.Fields(alarm.low)...)...)
		first := placeTen(t, ada)
		require.Eventually(t, func() bool {
			return strings.Contains(s.ready(t, "orders"), "the broker accepts no events now ("+alarm.reason+")")
		},
			timeout, pollInterval, alarm.reason)
		began := time.Now()
		require.NoError(t, s.Stop("orders"))
		require.Less(t, time.Since(began), 20*time.Second, "a stop does not wait for the broker")
		require.NoError(t, s.Start(t.Context(), "orders"), "and a start does not either")
		second := placeTen(t, ada)
		control(alarm.setting, alarm.enough)
		for _, id := range append(first, second...) {
			require.Equal(t, "confirmed", s.awaitEvent(t, ada, id, "order.paid.v1").Status)
		}
		require.Eventually(t, func() bool { return !strings.Contains(s.ready(t, "orders"), "broker") }, timeout, pollInterval)
	}
	awaitQuiet(t, openDatabases(t, s.Cluster))
}

// ready returns what a service reports about its readiness.
func (s *system) ready(t *testing.T, service string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(service)+"/readyz", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

// RabbitMQ ends the session of a consumer that does not acknowledge a message in time
// (consumer_timeout, 30 minutes by default), and delivers it again.
func TestAHandlerThatTakesLongerThanTheBrokerAllowsLosesNothing(t *testing.T) {
	t.Parallel()
	servers := cluster.OwnServers(t, "start-rabbit")
	require.NoError(t, servers.Do(t.Context(), "rabbitmqctl", "eval",
		"application:set_env(rabbit, consumer_timeout, 1000), application:set_env(rabbit, channel_tick_interval, 200)."))
	topology := bus.Topology{"invoice.sent.v1": {"billing"}}
	replica := func(handle func(bus.Delivery)) *rabbit.Bus {
		b, err := rabbit.Open(t.Context(), rabbit.Config{URL: servers.AMQP(), Name: "billing", Topology: topology, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() {
			_ = b.Subscribe(ctx, "billing", func(_ context.Context, batch []bus.Delivery) error { // it has no error after its start
				for _, d := range batch {
					handle(d)
				}
				return nil
			})
		})
		t.Cleanup(func() { cancel(); ended.Wait(); require.NoError(t, b.Close()) })
		return b
	}
	handling, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	slow := replica(func(bus.Delivery) { first.Do(func() { close(handling); <-release }) })
	require.NoError(t, slow.Publish(t.Context(), []bus.Message{{ID: "a", Type: "invoice.sent.v1", Body: []byte("{}")}})[0])
	<-handling
	again := make(chan bus.Delivery, 10)
	replica(func(d bus.Delivery) { again <- d })
	d := <-again
	require.Equal(t, "a", d.ID)
	require.Equal(t, 1, d.Attempt)
	close(release)
}
