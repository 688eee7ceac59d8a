package retry_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/patterns/retry"
)

func TestTheBackoffDoublesUpToItsCap(t *testing.T) {
	t.Parallel()
	b := retry.Backoff{Base: 100 * time.Millisecond, Cap: time.Second}
	var waits []time.Duration
	for failures := range 7 {
		waits = append(waits, b.Wait(failures, 0.5)/time.Millisecond)
	}
	require.Equal(t, []time.Duration{100, 100, 200, 400, 800, 1000, 1000}, waits)
}

func TestJitterIsTheShareLeftToChance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		jitter, random float64
		want           time.Duration
	}{
		"none":              {0, 0, 8 * time.Second},
		"half, at least":    {0.5, 0, 4 * time.Second},
		"half, in between":  {0.5, 0.5, 6 * time.Second},
		"full, at least":    {1, 0, 0},
		"full, in between":  {1, 0.25, 2 * time.Second},
		"full, nearly most": {1, 0.75, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := retry.Backoff{Base: time.Second, Cap: time.Minute, Jitter: c.jitter}
			require.Equal(t, c.want, b.Wait(4, c.random))
		})
	}
}

func TestTheBackoffStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	duration := rapid.Map(rapid.Int64Range(0, math.MaxInt64), func(n int64) time.Duration { return time.Duration(n) })
	rapid.Check(t, func(t *rapid.T) {
		b := retry.Backoff{Base: duration.Draw(t, "base"), Cap: duration.Draw(t, "cap")}
		failures := rapid.IntRange(-10, 100_000).Draw(t, "failures")
		plain := b.Wait(failures, 0)
		require.LessOrEqual(t, plain, b.Cap)
		require.GreaterOrEqual(t, plain, min(b.Base, b.Cap))
		require.LessOrEqual(t, plain, b.Wait(failures+1, 0), "without jitter no later wait is shorter")

		b.Jitter = rapid.Float64Range(0, 1).Draw(t, "jitter")
		spread := b.Wait(failures, rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "random"))
		require.GreaterOrEqual(t, spread, time.Duration(0))
		require.LessOrEqual(t, spread, plain)
		require.GreaterOrEqual(t, float64(spread), (1-b.Jitter)*float64(plain)*(1-1e-9)-1)
	})
}
