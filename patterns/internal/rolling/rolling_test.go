package rolling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/patterns/internal/rolling"
)

func sum(w *rolling.Window[int], now time.Duration) int {
	total := 0
	for n := range w.Recent(now) {
		total += *n
	}
	return total
}

func TestTheWindowForgetsInTenths(t *testing.T) {
	t.Parallel()
	w := rolling.Of[int](10 * time.Second)
	*w.Current(0)++
	*w.Current(1500 * time.Millisecond)++
	require.Equal(t, 2, sum(&w, 9999*time.Millisecond))
	require.Equal(t, 1, sum(&w, 10*time.Second))
	require.Equal(t, 0, sum(&w, 11*time.Second))
	*w.Current(11 * time.Second)++
	require.Equal(t, 1, sum(&w, 11*time.Second), "a stale bucket is cleared before it is used again")
	w.Clear()
	require.Zero(t, sum(&w, 11*time.Second))
}

func TestTheWindowHoldsTheLastTenBuckets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rolling.Of[int](10 * time.Second)
		var written []int64
		now, newest := time.Duration(0), int64(0)
		for range rapid.IntRange(1, 100).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(-1500, 4000).Draw(t, "ms")) * time.Millisecond
			now = max(now, 0)
			newest = max(newest, int64(now/time.Second))
			*w.Current(now)++
			written = append(written, newest)
			want := 0
			for _, number := range written {
				if number > newest-10 {
					want++
				}
			}
			require.Equal(t, want, sum(&w, now))
		}
	})
}

func TestCountingAllocatesNothing(t *testing.T) {
	w := rolling.Of[int](10 * time.Second)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		*w.Current(time.Second)++
		for n := range w.Recent(time.Second) {
			_ = *n
		}
	}))
}
