package breaker_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
)

// small is a configuration whose limits a story can reach in a few lines.
func small() breaker.Config {
	return breaker.Config{
		Window: 10 * time.Second, MinCalls: 4, FailureRate: 0.5, SlowRate: 0.75, Streak: 3,
		Recovery: 10 * time.Second, RecoveryMax: 35 * time.Second, Jitter: -1,
		Probes: 2, Successes: 2, ProbeTimeout: 15 * time.Second,
	}
}

// call makes one call with the given outcome and says whether it was let in.
func call(b *breaker.Breaker, o breaker.Outcome) bool {
	p, err := b.Allow()
	if err != nil {
		return false
	}
	b.Done(p, o)
	return true
}

func calls(b *breaker.Breaker, outcomes ...breaker.Outcome) {
	for _, o := range outcomes {
		call(b, o)
	}
}

func retryAfter(t *testing.T, b *breaker.Breaker) time.Duration {
	t.Helper()
	_, err := b.Allow()
	var open *breaker.OpenError
	require.ErrorAs(t, err, &open)
	return open.RetryAfter
}

const (
	ok      = breaker.Success
	fail    = breaker.Failure
	slow    = breaker.Slow
	ignored = breaker.Ignored
)

func TestJitterOnlyLengthens(t *testing.T) {
	t.Parallel()
	for random, want := range map[float64]time.Duration{0: 10 * time.Second, 0.5: 11 * time.Second, 0.999: 11998 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			c := small()
			c.Jitter = 0.2
			c.Rand = func() float64 { return random }
			b := breaker.New(c)
			calls(b, fail, fail, fail)
			require.Equal(t, want, retryAfter(t, b))
		})
	}
}

func TestChangesAreToldOutsideTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var told []breaker.Change
		c := small()
		c.OnChange = func(change breaker.Change) {
			require.Equal(t, change.To, b.Snapshot().State, "the callback may call the breaker")
			told = append(told, change)
		}
		b = breaker.New(c)
		begin := time.Now()
		calls(b, fail, fail, fail)
		time.Sleep(10 * time.Second)
		calls(b, ok, ok)
		require.Equal(t, []breaker.Change{
			{From: breaker.Closed, To: breaker.Open, Generation: 2, At: begin},
			{From: breaker.Open, To: breaker.HalfOpen, Generation: 3, At: begin.Add(10 * time.Second)},
			{From: breaker.HalfOpen, To: breaker.Closed, Generation: 4, At: begin.Add(10 * time.Second)},
		}, told)
	})
}

// A panic between Allow and Done leaves Ignored behind, if the caller follows the
// package's example; the breaker must go on as if nothing happened.
func TestAPanickingProbeDoesNotWedge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(small())
		calls(b, fail, fail, fail)
		time.Sleep(10 * time.Second)
		for range 5 {
			require.Panics(t, func() {
				p, err := b.Allow()
				require.NoError(t, err)
				outcome := breaker.Ignored
				defer func() { b.Done(p, outcome) }()
				panic("in the call")
			})
		}
		calls(b, ok, ok)
		require.Equal(t, breaker.Closed, b.Snapshot().State)
	})
}

func TestTheClockMayStepBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := small()
	c.Now = func() time.Time { return now }
	b := breaker.New(c)
	call(b, ok)
	now = now.Add(-time.Hour)
	calls(b, fail, fail, fail)
	require.Equal(t, breaker.Open, b.Snapshot().State)
}

func TestStatesHaveNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "CLOSED OPEN HALF_OPEN State(3)", breaker.Closed.String()+" "+
		breaker.Open.String()+" "+breaker.HalfOpen.String()+" "+breaker.State(3).String())
	require.EqualError(t, &breaker.OpenError{State: breaker.Open, RetryAfter: time.Second},
		"circuit is OPEN, retry in 1s")
}

// Many callers at once: never more probes than allowed, no lost permit, and every
// permit accounted for at the end.
func TestManyCallersAtOnce(t *testing.T) {
	t.Parallel()
	c := small()
	c.Recovery, c.RecoveryMax = time.Microsecond, time.Microsecond
	c.OnChange = func(breaker.Change) {}
	b := breaker.New(c)
	outcomes := []breaker.Outcome{ok, fail, ok, slow, ignored, fail, fail, fail, ok}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				p, err := b.Allow()
				if err != nil {
					var open *breaker.OpenError
					if !errors.As(err, &open) || open.RetryAfter <= 0 {
						t.Errorf("refused by %v", err)
					}
					continue
				}
				if s := b.Snapshot(); s.Probes > c.Probes || s.Probes < 0 {
					t.Errorf("%d probes at once", s.Probes)
				}
				b.Done(p, outcomes[(i+worker)%len(outcomes)])
			}
		})
	}
	wg.Wait()
	require.Zero(t, b.Snapshot().Probes)
}
