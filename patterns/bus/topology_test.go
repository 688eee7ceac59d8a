package bus_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
)

var topology = bus.Topology{
	"invoice.sent.v1": {"billing", "archive"}, "receipt.sent.v1": {"billing"}, "audit.done.v1": {},
}

func TestConsumersAreListedOnceAndSorted(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"archive", "billing"}, topology.Consumers())
	require.Equal(t, []string{"billing", "archive"}, topology["invoice.sent.v1"], "the topology is left as it was")
	require.Empty(t, bus.Topology{}.Consumers())
}

func TestRouteFindsTheConsumersOfAMessage(t *testing.T) {
	t.Parallel()
	hasQueue := func(service string) bool { return service != "archive" }
	for name, c := range map[string]struct {
		eventType string
		want      []string
		err       error
	}{
		"a consumer with a queue":          {"receipt.sent.v1", []string{"billing"}, nil},
		"no consumer":                      {"audit.done.v1", []string{}, nil},
		"one of two consumers has a queue": {"invoice.sent.v1", nil, bus.ErrUnroutable},
		"a type that is not listed":        {"unknown.type.v1", nil, bus.ErrUnknownType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			services, err := topology.Route(bus.Message{Type: c.eventType}, hasQueue)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, services)
		})
	}
}
