package rabbit_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/bustest"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

func TestMain(m *testing.M) { bustest.Main(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	for name, events := range map[string]int{"an event in a message": 1, "several events in a message": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bustest.Run(t, func(t *testing.T) bustest.Bus { return newProcess(t, rabbittest.URL(t), events) })
		})
	}
}

// newProcess returns a bus that loses its network when it crashes.
func newProcess(t *testing.T, url string, events int) bustest.Bus {
	proxy := rabbittest.NewProxy(t, url)
	b := openWith(t, proxy.URL, bustest.Topology, events)
	return bustest.Bus{
		Publisher: b, Subscriber: b,
		Crash: func(t *testing.T) bustest.Bus { proxy.Down(); return newProcess(t, url, events) },
		DeleteQueue: func(t *testing.T, service string) {
			// A session declares what is missing, so the publisher has to be connected first.
			require.NoError(t, errors.Join(b.Publish(t.Context(), []bus.Message{{ID: "audit", Type: "audit.done.v1"}})...))
			deleteQueue(t, url, service+".events.v1")
		},
	}
}

func open(t testing.TB, url string, topology bus.Topology) *rabbit.Bus {
	t.Helper()
	return openWith(t, url, topology, 1)
}

// openWith opens a bus with several events in a message.
func openWith(t testing.TB, url string, topology bus.Topology, events int) *rabbit.Bus {
	t.Helper()
	c := config(t, url, topology)
	c.EventsPerMessage = events
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func config(t testing.TB, url string, topology bus.Topology) rabbit.Config {
	return rabbit.Config{
		URL: url, Name: t.Name(), Topology: topology,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}
