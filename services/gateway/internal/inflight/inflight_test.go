package inflight_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/inflight"
)

func TestASlotIsRefusedWhenAllAreTaken(t *testing.T) {
	t.Parallel()
	l := inflight.NewLimit(2)
	require.True(t, l.Take(false))
	require.True(t, l.Take(false))
	require.False(t, l.Take(false))
	require.Equal(t, 2, l.Used())
	l.Release(false)
	require.True(t, l.Take(false))
}

func TestStreamedBodiesLeaveSlotsToOtherRequests(t *testing.T) {
	t.Parallel()
	l := inflight.NewLimit(8)
	require.True(t, l.Take(true))
	require.True(t, l.Take(true))
	require.False(t, l.Take(true), "a quarter is taken")
	for range 6 {
		require.True(t, l.Take(false))
	}
	require.False(t, l.Take(false))
	l.Release(true)
	require.True(t, l.Take(true))
	require.True(t, inflight.NewLimit(1).Take(true), "a small limit admits a stream too")
}

func TestOneAddressCannotTakeTheReadersOfAll(t *testing.T) {
	t.Parallel()
	r := inflight.NewReaders(5, 2)
	attacker, honest := inflight.Key("192.0.2.1"), inflight.Key("192.0.2.2")
	require.Equal(t, inflight.Admitted, r.Take(attacker))
	require.Equal(t, inflight.Admitted, r.Take(attacker))
	require.Equal(t, inflight.AddressFull, r.Take(attacker))
	require.Equal(t, inflight.Admitted, r.Take(honest))
	require.Equal(t, inflight.Admitted, r.Take(honest))
	other := inflight.Key("192.0.2.3")
	require.Equal(t, inflight.Admitted, r.Take(other))
	require.Equal(t, inflight.AllFull, r.Take(other))
	require.Equal(t, 5, r.Count())
	r.Release(attacker)
	require.Equal(t, inflight.Admitted, r.Take(attacker))
}

func TestOneCustomersAddressesCountAsOne(t *testing.T) {
	t.Parallel()
	require.Equal(t, inflight.Key("2001:db8::1"), inflight.Key("2001:db8::ffff:2"))
	require.NotEqual(t, inflight.Key("2001:db8::1"), inflight.Key("2001:db8:0:1::1"))
	require.Equal(t, inflight.Key("192.0.2.1"), inflight.Key("::ffff:192.0.2.1"))
	require.Equal(t, inflight.Key("fe80::1%eth0"), inflight.Key("fe80::2%eth1"))
	require.NotEqual(t, inflight.Key("192.0.2.1"), inflight.Key("192.0.2.2"))
	require.Equal(t, inflight.Key("pipe"), inflight.Key("@"))
}
