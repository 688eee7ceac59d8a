package inflight_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/inflight"
)

// model is a service that works on a number of requests at the same time; further ones
// wait in the order of their arrival. Requests come at a fixed rate, through a limit.
// Time is simulated, so that every run is the same.
type model struct {
	limit *inflight.Limit
	now   time.Time

	workers  int
	takes    time.Duration // for one request
	interval time.Duration // between two arrivals
	free     []time.Time   // when each worker is, sorted
	running  []request     // in the order in which they end

	done    int
	slowest time.Duration
}

type request struct{ came, ends time.Time }

func newModel(workers int, takes time.Duration, perSecond int) *model {
	m := &model{
		now:     time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		workers: workers, takes: takes, interval: time.Second / time.Duration(perSecond), free: make([]time.Time, workers),
	}
	m.limit = inflight.NewAdaptiveLimit(256, func() time.Time { return m.now })
	return m
}

// run lets requests come for some time. It returns the responses, and how long the
// slowest of them took.
func (m *model) run(d time.Duration) (done int, slowest time.Duration) {
	m.done, m.slowest = 0, 0
	for end := m.now.Add(d); m.now.Before(end); {
		next := m.now.Add(m.interval)
		m.finishUntil(next)
		m.now = next
		if m.limit.Take(false) {
			m.serve()
		}
	}
	return m.done, m.slowest
}

func (m *model) serve() {
	begins := m.now
	if m.free[0].After(begins) {
		begins = m.free[0]
	}
	r := request{came: m.now, ends: begins.Add(m.takes)}
	at, _ := slices.BinarySearchFunc(m.free, r.ends, time.Time.Compare)
	m.free = slices.Delete(slices.Insert(m.free, at, r.ends), 0, 1)
	at, _ = slices.BinarySearchFunc(m.running, r.ends.Add(1), func(r request, t time.Time) int { return r.ends.Compare(t) })
	m.running = slices.Insert(m.running, at, r)
}

func (m *model) finishUntil(t time.Time) {
	for len(m.running) > 0 && !m.running[0].ends.After(t) {
		r := m.running[0]
		m.running, m.now = m.running[1:], r.ends
		m.limit.Observe(r.ends.Sub(r.came))
		m.limit.Release(false)
		m.done++
		m.slowest = max(m.slowest, r.ends.Sub(r.came))
	}
}

// requireKnee requires the limit to keep all workers busy without a long queue.
func (m *model) requireKnee(t *testing.T) {
	t.Helper()
	require.GreaterOrEqual(t, m.limit.Most(), m.workers)
	require.LessOrEqual(t, m.limit.Most(), 2*m.workers)
}

func TestTheAdaptiveLimitFindsWhatTheServiceCanDo(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{16, 32, 100} {
		m := newModel(workers, 20*time.Millisecond, 3*workers*50) // three times what it can do
		samples, _ := m.run(2 * time.Second)
		m.requireKnee(t)
		require.LessOrEqual(t, samples, 100*workers, "found by then")
		done, slowest := m.run(10 * time.Second)
		m.requireKnee(t)
		require.InEpsilon(t, 10*workers*50, done, 0.05, "the service is never idle")
		require.LessOrEqual(t, slowest, 45*time.Millisecond, "and no request waits for long")
	}
}

func TestTheAdaptiveLimitFollowsTheService(t *testing.T) {
	t.Parallel()
	m := newModel(32, 20*time.Millisecond, 3*32*50)
	m.run(2 * time.Second)
	m.requireKnee(t)
	m.takes = 100 * time.Millisecond // a dependency has become slow
	m.run(time.Second)
	require.Less(t, m.limit.Most(), 32, "the requests take longer, which looks like a queue")
	m.run(9 * time.Second)
	m.requireKnee(t) // fewer requests have made it no faster, so it is no queue
	m.takes = 20 * time.Millisecond
	m.run(2 * time.Second)
	m.requireKnee(t)
}

func TestTheAdaptiveLimitDoesNotDriftUnderLastingOverload(t *testing.T) {
	t.Parallel()
	m := newModel(16, 20*time.Millisecond, 2*16*50)
	m.run(2 * time.Second)
	for range 4 {
		done, slowest := m.run(time.Minute)
		require.LessOrEqual(t, m.limit.Most(), 2*16)
		require.LessOrEqual(t, slowest, 60*time.Millisecond)
		require.InEpsilon(t, 60*16*50, done, 0.05)
	}
}

func TestTheAdaptiveLimitGrowsOnlyWithItsUse(t *testing.T) {
	t.Parallel()
	m := newModel(200, 20*time.Millisecond, 200) // four at a time
	m.run(2 * time.Minute)
	require.Equal(t, 20, m.limit.Most(), "as at the start")
	m.interval = time.Second / 5000 // a hundred at a time
	m.run(5 * time.Second)
	require.GreaterOrEqual(t, m.limit.Most(), 100)
	require.Less(t, m.limit.Most(), 257)
}

func TestTheAdaptiveLimitShrinksWhenTheServiceSheds(t *testing.T) {
	t.Parallel()
	m := newModel(32, 20*time.Millisecond, 3*32*50)
	m.run(2 * time.Second)
	before := m.limit.Most()
	for range 1000 {
		m.limit.Shed()
	}
	require.InEpsilon(t, float64(before)*0.9, m.limit.Most(), 0.05, "once in a window")
	m.run(2 * time.Second)
	m.requireKnee(t)

	fixed := inflight.NewLimit(10)
	fixed.Shed()
	fixed.Observe(time.Hour)
	require.Equal(t, 10, fixed.Most())
}

func TestASmallAdaptiveLimitStaysWithinIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := inflight.NewAdaptiveLimit(2, func() time.Time { return now })
	for i := range 10_000 {
		now = now.Add(10 * time.Millisecond)
		l.Observe(time.Duration(i) * time.Millisecond)
		require.Equal(t, 2, l.Most())
	}
}
