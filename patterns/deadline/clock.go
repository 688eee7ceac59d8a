// Package deadline measures the time that counts for deadlines: the time in which the
// system could have met them. While the system itself is the cause of a delay, the clock
// stands still. Time in which the process did not run does not count at all: the machine
// was suspended or the process was stopped, so it is not the fault of anyone who waits.
package deadline

import (
	"slices"
	"sync"
	"time"
)

// Clock is a clock that can be stopped, and that notices when its process did not run.
// Whatever begins under it has its deadline after the timeout. While the clock stands still
// it returns no more than twice the timeout, so that nothing waits forever; while the process
// does not run it returns all of the time. Its methods may be called by several goroutines at
// the same time.
type Clock struct {
	timeout time.Duration
	longest time.Duration // what counts at most between two looks at the clock

	mu     sync.Mutex
	last   time.Time // the latest look at the clock
	pauses []pause   // in chronological order
	still  bool      // the last pause goes on
	asleep time.Duration
}

// pause is a time that does not count.
type pause struct {
	from, until time.Time
	asleep      bool // the process did not run
}

// NewClock returns a running clock for deadlines that are timeout after their beginning.
// The time before now is one in which the process did not run.
//
// Run has to be called more often than every longest. Of a longer gap only that much
// counts: the process did not run in the rest. So a process that is merely slow still
// comes to its deadlines.
func NewClock(timeout, longest time.Duration, now time.Time) *Clock {
	now = now.Round(0)
	return &Clock{timeout: timeout, longest: longest, last: now, pauses: []pause{{until: now, asleep: true}}}
}

// Run lets the clock run from now on, or stand still.
func (c *Clock) Run(now time.Time, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now = c.look(now)
	if !running && !c.still {
		c.pauses = append(c.pauses, pause{from: now, until: now})
	}
	c.still = !running
	c.forget(now)
}

// Running reports whether the clock runs.
func (c *Clock) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.still
}

// Asleep returns for how long the process has not run since it started, as far as the
// clock has noticed.
func (c *Clock) Asleep() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asleep
}

// Passed returns the time up to which deadlines have passed at now: the deadline of
// everything that has had its timeout while the clock ran.
func (c *Clock) Passed(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now = c.look(now)
	begun := latest(c.back(now, c.timeout, pause.any), c.back(now, 3*c.timeout, pause.isAsleep))
	return begun.Add(c.timeout)
}

// look notes that the process runs at now, and whether it did not run for a while. It
// returns now as the wall clock shows it: Go's monotonic clock stands still while some
// systems are suspended.
func (c *Clock) look(now time.Time) time.Time {
	now = now.Round(0)
	gap := now.Sub(c.last)
	if gap <= 0 && gap >= -c.longest {
		return now // another goroutine was faster
	}
	if gap > c.longest {
		c.sleep(c.last.Add(c.longest), now)
	} else if gap < 0 {
		c.setBack(now)
	}
	c.last = now
	if c.still {
		current := &c.pauses[len(c.pauses)-1]
		current.until = latest(current.until, now)
	}
	return now
}

// sleep adds a time in which the process did not run.
func (c *Clock) sleep(from, until time.Time) {
	c.asleep += until.Sub(from)
	if c.still {
		current := &c.pauses[len(c.pauses)-1]
		current.until = latest(current.until, from)
	}
	c.pauses = append(c.pauses, pause{from: from, until: until, asleep: true})
	if c.still {
		c.pauses = append(c.pauses, pause{from: until, until: until})
	}
}

// setBack follows a wall clock that was set back to now: no pause may be in the future.
func (c *Clock) setBack(now time.Time) {
	for i := range c.pauses {
		p := &c.pauses[i]
		p.from, p.until = earliest(p.from, now), earliest(p.until, now)
	}
}

// forget removes the pauses that can make no difference anymore.
func (c *Clock) forget(now time.Time) {
	oldest := c.back(now, 3*c.timeout, pause.isAsleep)
	for len(c.pauses) > 1 && c.pauses[0].until.Before(oldest) {
		c.pauses = c.pauses[1:]
	}
}

// back returns the latest time since which so much time has passed outside of the pauses
// that stop it.
func (c *Clock) back(now time.Time, left time.Duration, stops func(pause) bool) time.Time {
	end := now
	for _, p := range slices.Backward(c.pauses) {
		if !stops(p) {
			continue
		}
		ran := max(0, end.Sub(p.until))
		if ran >= left {
			break
		}
		left -= ran
		if p.from.Before(end) {
			end = p.from
		}
	}
	return end.Add(-left)
}

func (p pause) any() bool      { return true }
func (p pause) isAsleep() bool { return p.asleep }

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
