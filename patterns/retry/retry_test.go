package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/patterns/retry"
)

var errDown = errors.New("down")

// withoutJitter returns a policy in which every wait is as long as it can be.
func withoutJitter() retry.Policy {
	return retry.Policy{
		Attempts: 4, Base: 100 * time.Millisecond, Cap: 300 * time.Millisecond,
		Rand: func() float64 { return 1 },
	}
}

// failing returns a function that fails this many times before it succeeds, and counts
// its tries.
func failing(times int, tries *int) func(context.Context) error {
	return func(context.Context) error {
		*tries++
		if *tries <= times {
			return errDown
		}
		return nil
	}
}

func TestDoRetriesUntilSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin, tries := time.Now(), 0
		require.NoError(t, withoutJitter().Do(t.Context(), failing(2, &tries)))
		require.Equal(t, 3, tries)
		require.Equal(t, 300*time.Millisecond, time.Since(begin), "100 ms, then 200 ms")
	})
}

func TestDoReturnsTheErrorOfTheLastTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin, tries := time.Now(), 0
		require.ErrorIs(t, withoutJitter().Do(t.Context(), failing(99, &tries)), errDown)
		require.Equal(t, 4, tries)
		require.Equal(t, 600*time.Millisecond, time.Since(begin), "100, 200, and 300 capped")
	})
}

func TestAPermanentErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	tries := 0
	err := withoutJitter().Do(t.Context(), func(context.Context) error {
		tries++
		return fmt.Errorf("charge the card: %w", retry.Permanent(errDown))
	})
	require.Equal(t, errDown, err)
	require.Equal(t, 1, tries)
	require.NoError(t, retry.Permanent(nil))
	require.ErrorIs(t, retry.Permanent(errDown), errDown)
}

func TestTheContextEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(150*time.Millisecond, cancel)
		begin, tries := time.Now(), 0
		require.ErrorIs(t, withoutJitter().Do(ctx, failing(99, &tries)), errDown)
		require.Equal(t, 2, tries)
		require.Equal(t, 150*time.Millisecond, time.Since(begin))
	})
}

func TestAWaitBeyondTheDeadlineIsNotStarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		begin, tries := time.Now(), 0
		require.ErrorIs(t, withoutJitter().Do(ctx, failing(99, &tries)), errDown)
		require.Equal(t, 2, tries)
		require.Equal(t, 100*time.Millisecond, time.Since(begin))
		require.ErrorIs(t, retry.Sleep(ctx, time.Second), context.DeadlineExceeded)
	})
}

func TestACancelledContextIsTriedOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tries := 0
	require.ErrorIs(t, withoutJitter().Do(ctx, failing(99, &tries)), errDown)
	require.Equal(t, 1, tries)
}

func TestTheSleepCanBeReplaced(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	p := withoutJitter()
	p.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	tries := 0
	require.Error(t, p.Do(t.Context(), failing(99, &tries)))
	require.Equal(t, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond}, waits)
}

func TestWaitsAreBetweenZeroAndTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.Float64Range(0, 0.999).Draw(t, "random")
		n := rapid.IntRange(1, 200).Draw(t, "retry")
		p := retry.Policy{Rand: func() float64 { return random }}
		wait := p.Wait(n)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, 250*time.Millisecond)
		if n == 1 {
			require.LessOrEqual(t, wait, 25*time.Millisecond)
		}
	})
}

func TestTheBudgetKeepsRetriesAShareOfTheTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetConfig{})
		p := retry.Policy{Budget: b}
		tries := 0
		for range 1000 {
			require.Error(t, p.Do(t.Context(), func(context.Context) error { tries++; return errDown }))
		}
		require.LessOrEqual(t, tries, 1200+10, "a fifth more than the requests, and the floor")
		require.Greater(t, tries, 1150)
	})
}

func TestTheFloorIsAvailableWithoutTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetConfig{Floor: 3})
		require.Equal(t, 3, drain(b))
		time.Sleep(9 * time.Second)
		require.Zero(t, drain(b), "still within the window")
		time.Sleep(time.Second)
		require.Equal(t, 3, drain(b), "a window later")
	})
}

func TestWithoutAFloorOnlyTrafficAllowsRetries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	b := retry.NewBudget(retry.BudgetConfig{Floor: -1, Now: func() time.Time { return now }})
	require.Zero(t, drain(b))
	for range 20 {
		b.Count()
	}
	now = now.Add(-time.Hour) // a clock that is set back changes nothing
	require.Equal(t, 4, drain(b))
}

// drain takes all retries out of the budget and returns how many there were.
func drain(b *retry.Budget) int {
	n := 0
	for b.Take() {
		n++
	}
	return n
}

// For any traffic, no window holds more retries than its share or the floor.
func TestNoTrafficExceedsTheBudget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		b := retry.NewBudget(retry.BudgetConfig{Floor: 2, Now: func() time.Time { return now }})
		type event struct {
			slot  int64
			retry bool
		}
		begin := now
		var past []event
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, 0, 300 * time.Millisecond, 3 * time.Second}).Draw(t, "wait"))
			slot := int64(now.Sub(begin) / time.Second)
			if rapid.Bool().Draw(t, "request") {
				b.Count()
				past = append(past, event{slot, false})
				continue
			}
			requests, retries := 0, 0
			for _, e := range past {
				if e.slot > slot-10 {
					if e.retry {
						retries++
					} else {
						requests++
					}
				}
			}
			require.Equal(t, retries < max(2, requests/5), b.Take())
			if retries < max(2, requests/5) {
				past = append(past, event{slot, true})
			}
		}
	})
}
