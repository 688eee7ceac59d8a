package admission

import (
	"sync"
	"time"
)

const (
	growth     = 1.5             // of the limit, once it is found too small
	hysteresis = 0.9             // once work is refused, the share of the limit below which work is accepted again
	calm       = 5 * time.Second // without a refusal, until an overload has ended
)

// Config configures a Controller. All fields are required.
type Config struct {
	Wait    time.Duration // how long accepted work may wait for its turn under load
	Longest time.Duration // how long it may wait after an outage; at least Wait
	First   int           // the limit of the backlog until a rate has been measured
	Least   int           // the smallest limit that a low rate leads to, if that much is finished within Longest
	Now     func() time.Time
}

// Backlog is a measurement of the work that was accepted and is not finished, by
// all replicas together.
type Backlog struct {
	Size     int // all of it
	Old      int // of it, what was accepted more than Config.Lag ago
	StillOld int // of it, what was counted in Old at the previous measurement
	Stuck    int // of it, what was accepted more than Controller.Patience ago
}

// Lag is the age from which the backlog counts as old. It is longer than a
// transaction takes, so that no work turns up in the backlog when it is old already.
func (c Config) Lag() time.Duration { return c.Wait / 4 }

// Controller decides whether more work is accepted. Its methods may be called by
// several goroutines at the same time.
type Controller struct {
	config Config

	mu       sync.Mutex
	at       time.Time       // of the last measurement
	last     Backlog         // the last measurement
	rate     float64         // what can be finished in a second
	wait     time.Duration   // the median wait of the work that was finished last
	progress time.Time       // when work was last finished, or none was waiting
	admitted int             // since the last measurement
	finished []time.Duration // the waits of the work finished since the last measurement
	drained  pace            // what the rate has not been updated with yet
	reached  time.Time       // since when the backlog is at its limit; zero if it is not
	closed   bool            // the last decision was a refusal
	refused  time.Time       // when work was last refused
	overload bool            // work has been refused lately
}

// New returns a controller that has measured nothing yet.
func New(c Config) *Controller {
	return &Controller{config: c, rate: float64(c.First) / c.Wait.Seconds(), progress: c.Now()}
}

// Admit reports whether a piece of work should be accepted. It counts what it
// admits as part of the backlog until the next measurement.
func (c *Controller) Admit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Now()
	limit := c.limit(now)
	if c.closed {
		limit *= hysteresis
	}
	c.closed = float64(c.size(now)) >= limit
	if c.closed {
		c.refused = now
		return false
	}
	c.admitted++
	return true
}

// Withdraw takes back an admission of work that was not accepted after all.
func (c *Controller) Withdraw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admitted = max(c.admitted-1, 0)
}

// Finished records that a piece of work was finished in this process,
// and how long after it was accepted. Work that was given up does not count.
func (c *Controller) Finished(waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = append(c.finished, waited)
}

// Measure updates the controller with a measurement of the backlog. It reports
// whether an overload has begun or ended since the previous one; see State.
func (c *Controller) Measure(b Backlog) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Now()
	c.learn(b, now)
	c.at, c.last = now, b
	c.admitted, c.finished = 0, c.finished[:0]
	if c.idle(b, now) {
		c.progress = now
	}
	overload := !c.refused.IsZero() && now.Sub(c.refused) < calm
	changed = overload != c.overload
	c.overload = overload
	return changed
}

// pace is how much work was finished in how many seconds.
type pace struct{ work, seconds float64 }

// learn updates wait and rate.
func (c *Controller) learn(b Backlog, now time.Time) {
	finished := len(c.finished) > 0
	if finished {
		c.wait, c.progress = median(c.finished), now
	}
	if long := c.wait > c.config.Wait/2; !long {
		c.drained = pace{}
		if finished && c.reachedFor(now) >= c.config.Wait/2 {
			c.rate *= growth
			c.reached = time.Time{}
		}
		return
	}
	work := c.last.Old - b.StillOld
	if c.at.IsZero() || b.Old-b.Stuck < work { // there was not enough to do to know the rate
		c.drained = pace{}
		return
	}
	c.drained.work += float64(work)
	c.drained.seconds += now.Sub(c.at).Seconds()
	if finished {
		c.updateRate()
	}
}

// updateRate updates the rate with what was finished since the last update, unless it
// took so long that it was an outage.
func (c *Controller) updateRate() {
	d, wait := c.drained, c.config.Wait.Seconds()
	c.drained = pace{}
	if d.work <= 0 || d.seconds <= 0 || d.seconds > wait {
		return
	}
	c.rate += (d.work/d.seconds - c.rate) * d.seconds / wait
}

// reachedFor returns how long the backlog has been at its limit, or close to it.
func (c *Controller) reachedFor(now time.Time) time.Duration {
	if float64(c.size(now)) < 0.8*c.limit(now) {
		c.reached = time.Time{}
		return 0
	}
	if c.reached.IsZero() {
		c.reached = now
	}
	return now.Sub(c.reached)
}

// idle reports whether b has nothing that waits for its turn. In an outage a backlog
// may look stuck as a whole, because nothing was accepted lately.
func (c *Controller) idle(b Backlog, now time.Time) bool {
	return b.Size <= b.Stuck && (b.Size < c.config.Least || c.flowing(now))
}

// flowing reports whether work is being finished, or none is waiting.
func (c *Controller) flowing(now time.Time) bool { return now.Sub(c.progress) < c.config.Wait }

// size returns the size of the backlog as far as it is known.
func (c *Controller) size(now time.Time) int {
	size := c.last.Size + c.admitted - len(c.finished)
	if c.flowing(now) {
		size -= c.last.Stuck
	}
	return max(size, 0)
}

// limit returns how large the backlog may be.
func (c *Controller) limit(now time.Time) float64 {
	wait := min(max(now.Sub(c.progress), c.config.Wait), c.config.Longest)
	least := min(float64(c.config.Least), c.rate*c.config.Longest.Seconds())
	return max(1, least, c.rate*wait.Seconds())
}

// Patience returns the age from which work in the backlog counts as stuck.
func (c *Controller) Patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 2 * max(c.wait, c.config.Wait)
}
