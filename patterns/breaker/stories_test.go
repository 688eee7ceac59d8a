package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
)

// Each story is told to a closed breaker with the small configuration.
func TestStories(t *testing.T) {
	t.Parallel()
	stories := map[string]struct {
		change func(*breaker.Config)
		happen func(t *testing.T, b *breaker.Breaker)
		end    breaker.State
	}{
		"nothing happened": {
			happen: func(*testing.T, *breaker.Breaker) {},
			end:    breaker.Closed,
		},
		"three failures in a row open": {
			happen: func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, fail) },
			end:    breaker.Open,
		},
		"a success breaks the row": {
			change: func(c *breaker.Config) { c.FailureRate = 2 },
			happen: func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, ok, fail, fail, ok, fail, fail) },
			end:    breaker.Closed,
		},
		"half of the calls failing opens, once there are enough of them": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, ok, ok)
				require.Equal(t, breaker.Closed, b.Snapshot().State)
				calls(b, fail)
			},
			end: breaker.Open,
		},
		"a success never opens": {
			change: func(c *breaker.Config) { c.Streak = -1 },
			happen: func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, fail, ok) },
			end:    breaker.Closed,
		},
		"failures older than the window are forgotten": {
			change: func(c *breaker.Config) { c.Streak = -1 },
			happen: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ok, ok, fail)
			},
			end: breaker.Closed,
		},
		"slow calls open by a rate of their own": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				calls(b, slow, ok, slow)
				require.Equal(t, breaker.Closed, b.Snapshot().State)
				calls(b, slow)
			},
			end: breaker.Open,
		},
		"ignored calls count for nothing": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				for range 1000 {
					calls(b, ignored)
				}
				require.Zero(t, b.Snapshot().Calls)
			},
			end: breaker.Closed,
		},
		"an ignored call does not break the row": {
			happen: func(_ *testing.T, b *breaker.Breaker) { calls(b, fail, fail, ignored, fail) },
			end:    breaker.Open,
		},
		"open refuses and says how long": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				require.Equal(t, 10*time.Second, retryAfter(t, b))
				time.Sleep(4 * time.Second)
				require.Equal(t, 6*time.Second, retryAfter(t, b))
				require.EqualValues(t, 2, b.Snapshot().Refused)
			},
			end: breaker.Open,
		},
		"after the recovery time-out only a few probes pass": {
			happen: func(t *testing.T, b *breaker.Breaker) {
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
		"enough good probes close": {
			happen: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ok, ok)
			},
			end: breaker.Closed,
		},
		"one good probe is not enough": {
			happen: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ok)
			},
			end: breaker.HalfOpen,
		},
		"one bad probe opens again at once, for twice as long, up to the cap": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				for _, wait := range []time.Duration{10, 20, 35, 35} {
					require.Equal(t, wait*time.Second, retryAfter(t, b))
					time.Sleep(wait * time.Second)
					require.True(t, call(b, fail))
				}
			},
			end: breaker.Open,
		},
		"closing forgets the backoff": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, fail)
				time.Sleep(20 * time.Second)
				calls(b, ok, ok, fail, fail, fail)
				require.Equal(t, 10*time.Second, retryAfter(t, b))
			},
			end: breaker.Open,
		},
		"a slow probe is a bad one": {
			happen: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, slow)
			},
			end: breaker.Open,
		},
		"a slow probe is a good one where slowness does not matter": {
			change: func(c *breaker.Config) { c.SlowRate = 2 },
			happen: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, slow, slow)
			},
			end: breaker.Closed,
		},
		"an ignored probe makes room for another": {
			happen: func(_ *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				calls(b, ignored, ignored, ignored, ok, ignored, ok)
			},
			end: breaker.Closed,
		},
		"probes that hang count as failed and their late results as nothing": {
			happen: func(t *testing.T, b *breaker.Breaker) {
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
		"one hung probe does not keep the others out": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				calls(b, fail, fail, fail)
				time.Sleep(10 * time.Second)
				_, err := b.Allow()
				require.NoError(t, err)
				time.Sleep(time.Hour)
				calls(b, ok, ok)
			},
			end: breaker.Closed,
		},
		"a call begun before opening says nothing when it ends after": {
			happen: func(t *testing.T, b *breaker.Breaker) {
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
		"forced open refuses for as long as it is forced": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				b.Force(breaker.Open)
				time.Sleep(time.Hour)
				require.Equal(t, 10*time.Second, retryAfter(t, b))
				require.True(t, b.Snapshot().Forced)
			},
			end: breaker.Open,
		},
		"forced closed counts but never opens": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				b.Force(breaker.Closed)
				calls(b, fail, fail, fail, fail, fail)
				require.Equal(t, 5, b.Snapshot().Failures)
			},
			end: breaker.Closed,
		},
		"released starts with a clean slate": {
			happen: func(t *testing.T, b *breaker.Breaker) {
				b.Force(breaker.Closed)
				calls(b, fail, fail, fail, fail, fail)
				b.Release()
				calls(b, fail, fail)
				require.False(t, b.Snapshot().Forced)
			},
			end: breaker.Closed,
		},
	}
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := small()
				if s.change != nil {
					s.change(&c)
				}
				b := breaker.New(c)
				s.happen(t, b)
				require.Equal(t, s.end, b.Snapshot().State)
			})
		})
	}
}
