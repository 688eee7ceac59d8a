package deadline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	timeout = 2 * time.Minute
	// longest is so long that a test may look at the clock rarely; those of a process that
	// does not run have a second.
	longest = time.Hour
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// overdue reports whether an order that was placed at placed is overdue at now.
func overdue(c *Clock, placed, now time.Time) bool {
	return !c.Passed(now).Before(placed.Add(timeout))
}

// runs looks at the clock once a second.
func runs(c *Clock, from, until int, running bool) {
	for s := from; s <= until; s++ {
		c.Run(after(s), running)
	}
}

func TestADeadlineOnARunningClock(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, longest, noon)
	require.True(t, c.Running())
	require.False(t, overdue(c, noon, after(119)))
	require.True(t, overdue(c, noon, after(120)))
	require.True(t, overdue(c, noon, after(1000)))
}

func TestTimeInWhichTheClockStandsStillIsGivenBack(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, longest, noon)
	c.Run(after(60), false)
	c.Run(after(75), false)
	require.False(t, c.Running())
	c.Run(after(90), true)
	c.Run(after(100), true)
	require.False(t, overdue(c, noon, after(149)))
	require.True(t, overdue(c, noon, after(150)))
	require.False(t, overdue(c, after(70), after(209)), "of 30 s it has seen 20")
	require.True(t, overdue(c, after(70), after(210)))
	require.False(t, overdue(c, after(90), after(209)))
	require.True(t, overdue(c, after(90), after(210)))
}

func TestAClockThatStandsStillLetsNothingPass(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, longest, noon)
	c.Run(after(110), false)
	require.False(t, overdue(c, noon, after(300)))
}

func TestNoOrderWaitsLongerThanThreeTimeoutsInWhichTheProcessRuns(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, time.Second, noon)
	runs(c, 0, 700, false)
	runs(c, 1700, 1957, false) // it does not run for 999 s
	require.False(t, overdue(c, after(600), after(1958)))
	require.True(t, overdue(c, after(600), after(1959)))
}

// The answers may have arrived in the queue while no process was there to consume them.
func TestOrdersFromBeforeAStartGetTimeAfterIt(t *testing.T) {
	t.Parallel()
	for _, placed := range []int{-1, -200, -100_000} {
		c := NewClock(timeout, longest, noon)
		require.False(t, overdue(c, after(placed), noon))
		require.False(t, overdue(c, after(placed), after(119)))
		require.True(t, overdue(c, after(placed), after(120)))
	}
}

// A laptop that was shut, a machine that was migrated, a container that was paused.
func TestTimeInWhichTheProcessDoesNotRunIsGivenBack(t *testing.T) {
	t.Parallel()
	for _, slept := range []int{5, 200, 100_000} {
		c := NewClock(timeout, time.Second, noon)
		runs(c, 0, 60, true)
		woken := 60 + slept
		require.False(t, overdue(c, noon, after(woken)), "whoever looks first when it wakes")
		runs(c, woken, woken+58, true)
		require.False(t, overdue(c, noon, after(woken+58)))
		require.True(t, overdue(c, noon, after(woken+59)), "a second of the gap counts")
		require.Equal(t, time.Duration(slept-1)*time.Second, c.Asleep())
	}
}

// The gaps of a process that is slow all the time are no sleep: its deadlines pass.
func TestDeadlinesPassInASlowProcess(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, time.Second, noon)
	for s := 0; s < 240; s += 2 {
		c.Run(after(s), true)
	}
	require.False(t, overdue(c, noon, after(238)))
	require.True(t, overdue(c, noon, after(240)))
}

// While a machine is suspended its monotonic clock may stand still, and only the wall clock
// shows the gap.
func TestTheClockIsTheWallClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	require.NotEqual(t, now, now.Round(0), "it has a monotonic reading")
	c := NewClock(timeout, time.Second, now)
	c.Run(now.Add(time.Second), true)
	passed := c.Passed(now.Add(2 * time.Second))
	require.Equal(t, passed, passed.Round(0))
	require.Equal(t, c.last, c.last.Round(0))
}

func TestAWallClockThatIsSetBackStopsNothing(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, time.Second, after(10_000))
	runs(c, 10_000, 10_100, true)
	runs(c, 0, 60, true)
	runs(c, 600, 655, true) // it still notices that the process did not run
	require.False(t, overdue(c, noon, after(655)))
	runs(c, 656, 660, true)
	require.True(t, overdue(c, noon, after(660)))
}

func TestTheClockKeepsFewPauses(t *testing.T) {
	t.Parallel()
	c := NewClock(timeout, time.Second, noon)
	for s := 0; s < 100_000; s += 10 { // it sleeps between any two looks
		c.Run(after(s), s%20 == 0)
	}
	require.Less(t, len(c.pauses), 4*360)
}

// second is what happens in a second of a test.
type second struct {
	running bool // the clock is told to run
	asleep  bool // the process does not run
}

// TestTheClockCountsWhatItRan stops and starts the clock and its process at random, and
// checks that it agrees with a count of the seconds in which it ran.
func TestTheClockCountsWhatItRan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, seconds := NewClock(timeout, time.Second, noon), []second{}
		for s := range 700 {
			on := second{running: rapid.IntRange(0, 20).Draw(t, "on") > 0}
			if s > 0 && rapid.Bool().Draw(t, "same") {
				on = seconds[s-1]
			} else if s > 0 {
				on.asleep = rapid.IntRange(0, 20).Draw(t, "asleep") == 0
			}
			if !on.asleep {
				c.Run(after(s), on.running)
			}
			seconds = append(seconds, on)
		}
		now := len(seconds)
		for placed := range now {
			ran, awake := 0, 0
			for _, s := range seconds[placed:] {
				if s.asleep {
					continue
				}
				awake++
				if s.running {
					ran++
				}
			}
			require.Equal(t, ran >= 120 || awake >= 360, overdue(c, after(placed), after(now)), "placed at %d", placed)
		}
	})
}
