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
	bustest.Run(t, func(t *testing.T) bustest.Bus { return newProcess(t, rabbittest.URL(t)) })
}

// newProcess returns a bus that loses its network when it crashes.
func newProcess(t *testing.T, url string) bustest.Bus {
	proxy := rabbittest.NewProxy(t, url)
	b := open(t, proxy.URL, bustest.Topology)
	return bustest.Bus{
		Publisher: b, Subscriber: b,
		Crash: func(t *testing.T) bustest.Bus { proxy.Down(); return newProcess(t, url) },
		DeleteQueue: func(t *testing.T, service string) {
			// A session declares what is missing, so the publisher has to be connected first.
			require.NoError(t, errors.Join(b.Publish(t.Context(), []bus.Message{{ID: "audit", Type: "audit.done.v1"}})...))
			deleteQueue(t, url, service+".events.v1")
		},
	}
}

func open(t testing.TB, url string, topology bus.Topology) *rabbit.Bus {
	t.Helper()
	b, err := rabbit.Open(t.Context(), config(t, url, topology))
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
