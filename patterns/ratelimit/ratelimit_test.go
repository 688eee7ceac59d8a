package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/ratelimit"
)

// clock is a clock that a test sets.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func limiter(c ratelimit.Config) (*ratelimit.Limiter[string], *clock) {
	clock := &clock{}
	c.Now = clock.Now
	return ratelimit.New[string](c), clock
}

func TestABucketHoldsABurstAndIsRefilledAtTheRate(t *testing.T) {
	t.Parallel()
	l, clock := limiter(ratelimit.Config{Rate: 2, Burst: 3})
	for left := 2; left >= 0; left-- {
		d := l.Take("ann")
		require.True(t, d.Allowed)
		require.Equal(t, left, d.Remaining)
		require.Equal(t, time.Duration(3-left)*500*time.Millisecond, d.Full)
	}
	require.Equal(t, ratelimit.Decision{Full: 1500 * time.Millisecond, RetryAfter: 500 * time.Millisecond}, l.Take("ann"))
	require.True(t, l.Take("bob").Allowed, "each key has a bucket of its own")

	clock.advance(499 * time.Millisecond)
	require.Equal(t, time.Millisecond, l.Take("ann").RetryAfter, "a refusal takes no token")
	clock.advance(time.Millisecond)
	require.True(t, l.Take("ann").Allowed)
	require.False(t, l.Take("ann").Allowed)
	clock.advance(time.Hour)
	require.Equal(t, 2, l.Take("ann").Remaining, "no more than a burst is saved up")
}

func TestAClockThatIsSetBackAddsNoTokens(t *testing.T) {
	t.Parallel()
	l, clock := limiter(ratelimit.Config{Rate: 1, Burst: 1})
	clock.advance(time.Minute)
	require.True(t, l.Take("ann").Allowed)
	clock.advance(-time.Second)
	require.Equal(t, 2*time.Second, l.Take("ann").RetryAfter)
}

// bucket is a token bucket as textbooks have it.
type bucket struct {
	rate, burst, tokens float64
	at                  time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1-1e-6 {
		return false
	}
	b.tokens--
	return true
}

func TestALimiterAgreesWithATextbookBucket(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rate, burst := 1/float64(1+random.IntN(8)), 1+random.IntN(20) // intervals of whole seconds
		l, clock := limiter(ratelimit.Config{Rate: rate, Burst: burst})
		want := bucket{rate, float64(burst), float64(burst), clock.Now()}
		for range 500 {
			clock.advance(time.Duration(random.IntN(3000)) * time.Millisecond)
			require.Equal(t, want.take(clock.Now()), l.Take("ann").Allowed, "rate %v, burst %d", rate, burst)
		}
	}
}

func TestConcurrentCallersGetExactlyTheBurst(t *testing.T) {
	t.Parallel()
	l, _ := limiter(ratelimit.Config{Rate: 1, Burst: 1000})
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				if l.Take("ann").Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1000, allowed.Load())
}

func TestAFloodOfKeysNeitherGrowsTheMemoryNorFillsAnEmptyBucket(t *testing.T) {
	t.Parallel()
	l, clock := limiter(ratelimit.Config{Rate: 1, Burst: 60, Keys: 6400})
	for range 60 {
		require.True(t, l.Take("bob").Allowed)
	}
	for i := range 100_000 {
		require.True(t, l.Take(fmt.Sprint("flood ", i)).Allowed)
	}
	require.LessOrEqual(t, l.Keys(), 6400)
	require.False(t, l.Take("bob").Allowed, "its bucket is the last to go")

	clock.advance(time.Minute)
	for i := range 64_000 {
		l.Take(fmt.Sprint("later ", i))
	}
	require.LessOrEqual(t, l.Keys(), 6400)
}

func TestALimiterWithoutARateIsAMistakeOfTheProgram(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { ratelimit.New[string](ratelimit.Config{Burst: 1}) })
	require.Panics(t, func() { ratelimit.New[string](ratelimit.Config{Rate: 1}) })
}

func TestAVeryLowRateDoesNotOverflow(t *testing.T) {
	t.Parallel()
	l, _ := limiter(ratelimit.Config{Rate: 1e-300, Burst: 2})
	require.True(t, l.Take("ann").Allowed)
	require.True(t, l.Take("ann").Allowed)
	require.Positive(t, l.Take("ann").RetryAfter)
}

// The key of the gateway: a user, or an address.
type key struct {
	user    string
	address netip.Addr
}

func TestTakingATokenAllocatesNothing(t *testing.T) {
	l := ratelimit.New[key](ratelimit.Config{Rate: 1, Burst: 1})
	k := key{"ann", netip.MustParseAddr("2001:db8::1")}
	l.Take(k)
	require.Zero(t, testing.AllocsPerRun(100, func() { l.Take(k) }))
}

func BenchmarkTake(b *testing.B) {
	l := ratelimit.New[key](ratelimit.Config{Rate: 1e9, Burst: 1e6})
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		k := key{user: fmt.Sprint(rand.Int())}
		for p.Next() {
			l.Take(k)
		}
	})
}
