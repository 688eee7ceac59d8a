package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
)

// Each scenario starts with a closed breaker and smallConfig.
func TestScenarios(t *testing.T) {
	t.Parallel()
	scenarios := map[string]struct {
		change func(*breaker.Config)
		run    func(t *testing.T, b *breaker.Breaker)
		end    breaker.State
	}{
		"a new breaker is closed": {
			run: func(*testing.T, *breaker.Breaker) {},
			end: breaker.Closed,
		},
		"a streak of failures opens": {
			run: func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, fail) },
			end: breaker.Open,
		},
		"a success ends the streak": {
			change: func(c *breaker.Config) { c.FailureRate = 2 },
			run:    func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, ok, fail, fail, ok, fail, fail) },
			end:    breaker.Closed,
		},
		"the failure rate opens once there are enough calls": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, ok, ok)
				require.Equal(t, breaker.Closed, b.Snapshot().State)
				calls(b, fail)
			},
			end: breaker.Open,
		},
		"a success never opens": {
			change: func(c *breaker.Config) { c.Streak = -1 },
			run:    func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, fail, ok) },
			end:    breaker.Closed,
		},
		"failures older than the window do not count": {
			change: func(c *breaker.Config) { c.Streak = -1 },
			run: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ok, ok, fail)
			},
			end: breaker.Closed,
		},
		"slow calls have a rate of their own": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, slow, ok, slow)
				require.Equal(t, breaker.Closed, b.Snapshot().State)
				calls(b, slow)
			},
			end: breaker.Open,
		},
		"ignored calls do not count": {
			run: func(t *testing.T, b *breaker.Breaker) {
				for range 1000 {
					calls(b, ignored)
				}
				require.Zero(t, b.Snapshot().Calls)
			},
			end: breaker.Closed,
		},
		"an ignored call does not end the streak": {
			run: func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, ignored, fail) },
			end: breaker.Open,
		},
		"an open breaker rejects calls with the time to wait": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				require.Equal(t, 10*time.Second, retryAfter(t, b))
				time.Sleep(4 * time.Second)
				require.Equal(t, 6*time.Second, retryAfter(t, b))
				require.EqualValues(t, 2, b.Snapshot().Refused)
			},
			end: breaker.Open,
		},
		"after the recovery time only the probes pass": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				admitted := 0
				for range 100 {
					if _, err := b.Allow(); err == nil {
						admitted++
					}
				}
				require.Equal(t, 2, admitted)
			},
			end: breaker.HalfOpen,
		},
		"enough successful probes close": {
			run: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ok, ok)
			},
			end: breaker.Closed,
		},
		"one successful probe is not enough": {
			run: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ok)
			},
			end: breaker.HalfOpen,
		},
		"a failed probe opens for twice as long, up to the maximum": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				for _, wait := range []time.Duration{10, 20, 35, 35} {
					require.Equal(t, wait*time.Second, retryAfter(t, b))
					time.Sleep(wait * time.Second)
					require.True(t, call(b, fail))
				}
			},
			end: breaker.Open,
		},
		"closing resets the backoff": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, fail)
				time.Sleep(20 * time.Second)
				calls(b, ok, ok, fail, fail, fail)
				require.Equal(t, 10*time.Second, retryAfter(t, b))
			},
			end: breaker.Open,
		},
		"a slow probe counts as failed": {
			run: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, slow)
			},
			end: breaker.Open,
		},
		"a slow probe counts as successful without a slow rate": {
			change: func(c *breaker.Config) { c.SlowRate = 2 },
			run: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, slow, slow)
			},
			end: breaker.Closed,
		},
		"an ignored probe makes room for another": {
			run: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ignored, ignored, ignored, ok, ignored, ok)
			},
			end: breaker.Closed,
		},
		"hanging probes count as failed and their late outcomes do not count": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				hung1, err := b.Allow()
				require.NoError(t, err)
				hung2, err := b.Allow()
				require.NoError(t, err)
				time.Sleep(14 * time.Second)
				require.Equal(t, time.Second, retryAfter(t, b))
				time.Sleep(time.Second)
				require.Equal(t, 20*time.Second, retryAfter(t, b))
				time.Sleep(20 * time.Second)
				require.True(t, call(b, ok))
				b.Done(hung1, ok)
				b.Done(hung2, fail)
			},
			end: breaker.HalfOpen,
		},
		"one hanging probe does not block the others": {
			run: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				_, err := b.Allow()
				require.NoError(t, err)
				time.Sleep(time.Hour)
				calls(b, ok, ok)
			},
			end: breaker.Closed,
		},
		"the outcome of a call from before a change of state does not count": {
			run: func(t *testing.T, b *breaker.Breaker) {
				early, err := b.Allow()
				require.NoError(t, err)
				calls(b, fail, fail, fail)
				b.Done(early, ok)
				require.Equal(t, breaker.Open, b.Snapshot().State)
				time.Sleep(10 * time.Second)
				require.True(t, call(b, ok))
				b.Done(early, fail)
				require.Equal(t, breaker.HalfOpen, b.Snapshot().State)
				require.True(t, call(b, ok))
				b.Done(early, fail)
				require.Zero(t, b.Snapshot().Failures)
			},
			end: breaker.Closed,
		},
		"a breaker forced open rejects all calls": {
			run: func(t *testing.T, b *breaker.Breaker) {
				b.Force(breaker.Open, "a test")
				time.Sleep(time.Hour)
				require.Equal(t, 10*time.Second, retryAfter(t, b))
				require.True(t, b.Snapshot().Forced)
			},
			end: breaker.Open,
		},
		"a breaker forced closed counts but never opens": {
			run: func(t *testing.T, b *breaker.Breaker) {
				b.Force(breaker.Closed, "a test")
				calls(b, fail, fail, fail, fail, fail)
				require.Equal(t, 5, b.Snapshot().Failures)
			},
			end: breaker.Closed,
		},
		"a released breaker starts with reset counters": {
			run: func(t *testing.T, b *breaker.Breaker) {
				b.Force(breaker.Closed, "a test")
				calls(b, fail, fail, fail, fail, fail)
				b.Release("a test")
				calls(b, fail, fail)
				require.False(t, b.Snapshot().Forced)
			},
			end: breaker.Closed,
		},
	}
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := smallConfig()
				if s.change != nil {
					s.change(&c)
				}
				b := breaker.New(c)
				s.run(t, b)
				require.Equal(t, s.end, b.Snapshot().State)
			})
		})
	}
}
