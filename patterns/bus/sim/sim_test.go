package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/bustest"
	"troupe/patterns/bus/sim"
)

func TestMain(m *testing.M) { bustest.Main(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(*testing.T) bustest.Bus {
		broker := sim.NewBroker(bustest.Topology)
		return connect(broker)
	})
}

func connect(broker *sim.Broker) bustest.Bus {
	b := broker.Connect()
	return bustest.Bus{
		Publisher: b, Subscriber: b,
		Crash: func(t *testing.T) bustest.Bus {
			require.NoError(t, b.Close())
			return connect(broker)
		},
		DeleteQueue: func(_ *testing.T, service string) { broker.DeleteQueue(service) },
	}
}

var topology = bus.Topology{"invoice.sent.v1": {"billing"}}

func invoices(ids ...string) (ms []bus.Message) {
	for _, id := range ids {
		ms = append(ms, bus.Message{ID: id, Type: "invoice.sent.v1"})
	}
	return ms
}

func ids(batch []bus.Delivery) (ids []string) {
	for _, d := range batch {
		ids = append(ids, d.ID)
	}
	return ids
}

func TestAnAckOnABrokenSessionHasNoEffect(t *testing.T) {
	t.Parallel()
	b := sim.NewBroker(topology)
	b.Publish(invoices("a", "b"))
	first, err := b.Open("billing")
	require.NoError(t, err)
	_, tag := first.Receive(2)
	first.Break()
	second, err := b.Open("billing")
	require.NoError(t, err)
	batch, _ := second.Receive(2)
	require.Equal(t, []string{"a", "b"}, ids(batch))
	require.Equal(t, 1, batch[0].Attempt)
	require.ErrorIs(t, first.Ack(tag), bus.ErrUnavailable)
	require.Equal(t, 2, second.Unacked())
}

func TestATagAcknowledgesAllEarlierMessages(t *testing.T) {
	t.Parallel()
	var acked []string
	b := sim.NewBroker(topology, sim.Acked(func(_ string, m bus.Message) { acked = append(acked, m.ID) }))
	b.Publish(invoices("a", "b", "c", "d"))
	s, err := b.Open("billing")
	require.NoError(t, err)
	_, one := s.Receive(1)
	_, three := s.Receive(2)
	require.NoError(t, s.Ack(three))
	require.NoError(t, s.Ack(one))
	require.Equal(t, []string{"a", "b", "c"}, acked)
	require.Equal(t, 1, b.Waiting("billing"))
}

func TestChooseSelectsTheNextMessage(t *testing.T) {
	t.Parallel()
	b := sim.NewBroker(topology, sim.Choose(func(n int) int { return n - 1 }))
	b.Publish(invoices("a", "b", "c"))
	b.Duplicate("billing", invoices("a")[0])
	s, err := b.Open("billing")
	require.NoError(t, err)
	batch, _ := s.Receive(9)
	require.Equal(t, []string{"a", "c", "b", "a"}, ids(batch))
}
