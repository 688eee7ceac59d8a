package throttle

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

func never(time.Duration, func()) {}

func TestAttemptsWithTheSameKeyTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		end, err := turns.Take(t.Context(), "ada")
		require.NoError(t, err)
		other, err := turns.Take(t.Context(), "bob")
		require.NoError(t, err, "another key does not wait")
		other()

		var got []int
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				endIts, err := turns.Take(t.Context(), "ada")
				if err == nil {
					got = append(got, i)
					endIts()
				}
			})
			synctest.Wait()
		}
		require.Empty(t, got)
		end()
		all.Wait()
		require.Equal(t, []int{0, 1, 2}, got)
		require.Empty(t, turns.lines, "nothing is kept")
	})
}

func TestASettledAttemptWakesTheOneWhoseTurnItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		end, err := turns.Take(t.Context(), "ada")
		require.NoError(t, err)
		defer end()
		woken := make(chan error, 1)
		go func() { woken <- turns.AwaitSettled(t.Context(), "ada", never) }()
		turns.Settled("bob")
		synctest.Wait()
		require.Empty(t, woken)
		turns.Settled("ada")
		require.NoError(t, <-woken)

		// Another replica wakes no attempt here, so the attempt looks by itself.
		require.NoError(t, turns.AwaitSettled(t.Context(), "ada", func(d time.Duration, f func()) { time.AfterFunc(d, f) }))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.True(t, fault.Is(turns.AwaitSettled(ended, "ada", never), fault.Unavailable))
	})
}

func TestTooManyWaitingAttemptsAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		end, err := turns.Take(t.Context(), "ada")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range maxWaiting - 1 {
			all.Go(func() {
				_, err := turns.Take(ctx, "ada")
				require.True(t, fault.Is(err, fault.Unavailable))
			})
		}
		synctest.Wait()
		_, err = turns.Take(t.Context(), "ada")
		require.True(t, fault.Is(err, fault.Unavailable))
		cancel()
		all.Wait()
		end()
		require.Empty(t, turns.lines)
	})
}
