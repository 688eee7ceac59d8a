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

// smallConfig returns a configuration whose limits a test can reach in a few lines.
func smallConfig() breaker.Config {
	return breaker.Config{
		Window: 10 * time.Second, MinCalls: 4, FailureRate: 0.5, SlowRate: 0.75, Streak: 3,
		Recovery: 10 * time.Second, RecoveryMax: 35 * time.Second, Jitter: -1,
		Probes: 2, Successes: 2, ProbeTimeout: 15 * time.Second,
	}
}

// call makes one call with this outcome and reports whether the breaker allowed it.
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
			c := smallConfig()
			c.Jitter = 0.2
			c.Rand = func() float64 { return random }
			b := breaker.New(c)
			calls(b, fail, fail, fail)
			require.Equal(t, want, retryAfter(t, b))
		})
	}
}

func TestOnChangeIsCalledOutsideTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var changes []breaker.Change
		c := smallConfig()
		c.OnChange = func(change breaker.Change) {
			require.Equal(t, change.To, b.Snapshot().State, "the callback may call the breaker")
			changes = append(changes, change)
		}
		b = breaker.New(c)
		begin := time.Now()
		calls(b, fail, fail, fail)
		time.Sleep(10 * time.Second)
		calls(b, ok, ok)
		require.Equal(t, []breaker.Change{
			{From: breaker.Closed, To: breaker.Open, Generation: 2, At: begin, Reason: "3 failures in a row"},
			{From: breaker.Open, To: breaker.HalfOpen, Generation: 3, At: begin.Add(10 * time.Second), Reason: "the recovery time is over"},
			{From: breaker.HalfOpen, To: breaker.Closed, Generation: 4, At: begin.Add(10 * time.Second), Reason: "2 probes succeeded"},
		}, changes)
	})
}

// A panic between Allow and Done reports the outcome Ignored, if the caller follows the
// example of the package. The breaker must continue as if there had been no call.
func TestAPanickingProbeFreesItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(smallConfig())
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

func TestAClockSetBackIsTolerated(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := smallConfig()
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

// With many concurrent callers there are never more probes than allowed, and no permit
// is lost: at the end no probe is in flight.
func TestConcurrentCallersNeverExceedTheProbeLimit(t *testing.T) {
	t.Parallel()
	c := smallConfig()
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
						t.Errorf("rejected with %v", err)
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
