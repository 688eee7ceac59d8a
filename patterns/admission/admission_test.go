package admission_test

import (
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/admission"
)

const (
	interval = 250 * time.Millisecond // between two measurements
	tick     = 10 * time.Millisecond
)

// shop is a service that finishes work in the order in which it was accepted, as
// fast as its capacity allows. Its time is moved by run.
type shop struct {
	*admission.Controller
	config   admission.Config
	now      time.Time
	capacity float64     // of a second; 0: another service is down
	queue    []time.Time // when the waiting work was accepted
	stuck    []time.Time // work that is never finished
	budget   float64     // what can be finished now
	arrived  float64
	boundary time.Time // what was accepted before was old at the last measurement
	measured time.Time

	accepted, refused, finished int
	longest                     time.Duration // wait of any finished work
}

func newShop(capacity float64) *shop {
	s := &shop{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), capacity: capacity}
	s.config = admission.Config{
		Wait: 4 * time.Second, Longest: time.Minute, First: 1000, Least: 100,
		Now: func() time.Time { return s.now },
	}
	s.Controller = admission.New(s.config)
	return s
}

// run lets time pass while so much work arrives in a second.
func (s *shop) run(d time.Duration, perSecond float64) {
	for range int(d / tick) {
		s.now = s.now.Add(tick)
		for s.arrived += perSecond * tick.Seconds(); s.arrived >= 1; s.arrived-- {
			s.arrive()
		}
		s.work()
		if s.now.Sub(s.measured) >= interval {
			s.measure()
		}
	}
}

func (s *shop) arrive() {
	if !s.Admit() {
		s.refused++
		return
	}
	s.accepted++
	s.queue = append(s.queue, s.now)
}

func (s *shop) work() {
	s.budget += s.capacity * tick.Seconds()
	for ; s.budget >= 1 && len(s.queue) > 0; s.budget-- {
		waited := s.now.Sub(s.queue[0])
		s.queue, s.finished, s.longest = s.queue[1:], s.finished+1, max(s.longest, waited)
		s.Finished(waited)
	}
	s.budget = min(s.budget, 1) // time that was not used is lost
}

func (s *shop) measure() {
	boundary := s.now.Add(-s.config.Lag())
	s.Measure(admission.Backlog{
		Size: len(s.queue) + len(s.stuck), Old: s.before(boundary),
		StillOld: s.before(s.boundary), Stuck: s.before(s.now.Add(-s.Patience())),
	})
	s.boundary, s.measured = boundary, s.now
}

// before returns how much work was accepted before that time.
func (s *shop) before(t time.Time) (n int) {
	for _, queue := range [][]time.Time{s.queue, s.stuck} {
		n += sort.Search(len(queue), func(i int) bool { return queue[i].After(t) })
	}
	return n
}

func TestNothingIsRefusedBelowTheCapacity(t *testing.T) {
	t.Parallel()
	for _, capacity := range []float64{20, 300, 2000} {
		s := newShop(capacity)
		s.run(5*time.Minute, 0.9*capacity)
		require.Zero(t, s.refused)
		require.False(t, s.State().Overloaded)
	}
}

func TestUnderOverloadTheCapacityIsUsedAndNothingWaitsLong(t *testing.T) {
	t.Parallel()
	for _, capacity := range []float64{40, 300, 2000} {
		for _, times := range []float64{1.2, 3, 10} {
			s := newShop(capacity)
			s.run(5*time.Minute, times*capacity)
			require.Greater(t, float64(s.finished), 0.97*300*capacity, "%v times %v/s", times, capacity)
			require.Less(t, s.longest, 40*time.Second, "%v times %v/s, while the capacity was not known", times, capacity)
			s.longest = 0
			s.run(time.Minute, times*capacity)
			require.Less(t, s.longest, 6*time.Second, "%v times %v/s", times, capacity)
			require.True(t, s.State().Overloaded)
		}
	}
}

func TestAnOverloadEndsWhenTheLoadDoes(t *testing.T) {
	t.Parallel()
	s := newShop(300)
	s.run(time.Minute, 900)
	s.refused = 0
	s.run(10*time.Second, 100)
	require.False(t, s.State().Overloaded)
	require.Less(t, s.refused, 100, "only in the first second")
	require.Less(t, len(s.queue), 10)
}

func TestALowerCapacityIsNoticed(t *testing.T) {
	t.Parallel()
	s := newShop(1000)
	s.run(time.Minute, 3000)
	s.capacity = 200
	s.run(time.Minute, 3000)
	s.longest = 0
	s.run(time.Minute, 3000)
	require.Less(t, s.longest, 6*time.Second)
	s.capacity = 1000
	s.run(30*time.Second, 3000)
	s.finished = 0
	s.run(time.Minute, 3000)
	require.Greater(t, s.finished, 58_000)
}

// A busy machine stands still for a second or two, and then does much at once.
func TestWorkThatIsFinishedInBurstsDoesNotRaiseTheRate(t *testing.T) {
	t.Parallel()
	s := newShop(0)
	burst := func() {
		s.capacity = 0
		s.run(2*time.Second, 900)
		s.capacity = 900
		s.run(time.Second, 900)
	}
	for range 60 {
		burst()
	}
	s.finished, s.longest = 0, 0
	for range 60 {
		burst()
	}
	require.Greater(t, s.finished, 51_000, "of 300 in a second")
	require.Less(t, s.longest, 8*time.Second)
}

// Work is accepted although nothing is finished: another service is down.
func TestAnOutageIsNotAnOverload(t *testing.T) {
	t.Parallel()
	s := newShop(300)
	s.run(time.Minute, 100)
	s.capacity = 0
	s.run(time.Minute, 100)
	require.Zero(t, s.refused)
	s.capacity, s.longest = 300, 0
	s.run(2*time.Minute, 100)
	require.Less(t, s.longest, 61*time.Second, "the first waited for the end of the outage, and none longer")
	require.Less(t, len(s.queue), 10)
}

func TestAnOutageDoesNotLetInMoreThanCanBeFinishedLater(t *testing.T) {
	t.Parallel()
	s := newShop(300)
	s.run(time.Minute, 900)
	s.capacity = 0
	s.run(10*time.Minute, 900)
	require.Less(t, len(s.queue), 60*330, "as much as is finished within Config.Longest")
	s.capacity, s.finished = 300, 0
	s.run(time.Minute, 900)
	require.Greater(t, s.finished, 17_500)
}

// Some payments take minutes; they are not refused because of these.
func TestStuckWorkDoesNotKeepOtherWorkOut(t *testing.T) {
	t.Parallel()
	s := newShop(300)
	for range 5000 {
		s.stuck = append(s.stuck, s.now)
		s.run(tick, 200)
	}
	s.refused = 0
	s.run(time.Minute, 200)
	require.Zero(t, s.refused)

	s.finished = 0
	s.run(time.Minute, 900)
	require.Greater(t, s.finished, 17_400, "nor do they reduce what is finished under overload")
}

func TestAfterAQuietHourABurstIsLimitedAsEver(t *testing.T) {
	t.Parallel()
	s := newShop(300)
	s.run(time.Hour, 0)
	s.run(100*time.Millisecond, 100_000)
	require.Less(t, s.accepted, 1100)
	state := s.State()
	require.Positive(t, state.RetryAfter)
	require.Less(t, state.RetryAfter, s.config.Longest)
}

func TestTheBeginningAndTheEndOfAnOverloadAreReportedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(10)
	require.False(t, s.Measure(admission.Backlog{Size: 10}))
	require.True(t, s.Admit())
	require.False(t, s.Measure(admission.Backlog{Size: 1000}))
	require.False(t, s.Admit())
	require.True(t, s.Measure(admission.Backlog{Size: 1000}), "it has begun")
	s.now = s.now.Add(4 * time.Second)
	require.False(t, s.Measure(admission.Backlog{}))
	s.now = s.now.Add(time.Second)
	require.True(t, s.Measure(admission.Backlog{}), "it has ended")
	require.False(t, s.Measure(admission.Backlog{}))
}
