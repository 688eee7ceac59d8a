package throttle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelayDoublesUpToFifteenMinutes(t *testing.T) {
	t.Parallel()
	want := []time.Duration{
		0, 0, 0, 0, 0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
		64 * time.Second, 128 * time.Second, 256 * time.Second, 512 * time.Second, MaxDelay, MaxDelay,
	}
	for failures, delay := range want {
		require.Equal(t, delay, PerAccount.Delay(int64(failures)), failures)
	}
	require.Equal(t, MaxDelay, PerAccount.Delay(1<<62))
}

func TestKeysAreEqualForTheSameAccountOrClient(t *testing.T) {
	t.Parallel()
	require.Equal(t, Account("ada@example.com"), Account(" ADA@example.com "))
	require.NotEqual(t, Account("ada@example.com"), Account("bob@example.com"))

	same := func(a, b string) bool {
		keyA, okA := Address(a)
		keyB, okB := Address(b)
		return okA && okB && keyA == keyB
	}
	require.True(t, same("198.51.100.1", " 198.51.100.1 "))
	require.True(t, same("198.51.100.1", "::ffff:198.51.100.1"))
	require.False(t, same("198.51.100.1", "198.51.100.2"))
	require.True(t, same("2001:db8::1", "2001:db8::ffff"), "one client has a whole /64")
	require.True(t, same("fe80::1%eth0", "fe80::1%eth1"))
	require.False(t, same("2001:db8::1", "2001:db8:0:1::1"))
	for _, none := range []string{"", "unknown", "198.51.100.1:80", "_hidden", "'; DROP TABLE"} {
		_, ok := Address(none)
		require.False(t, ok, none)
	}
}
