package admission

import (
	"slices"
	"time"
)

// State is what a controller knows, for metrics and the log.
type State struct {
	Overloaded bool          // work was refused in the last 5 s
	Flowing    bool          // work is being finished, or none is waiting
	Size       int           // of the backlog, without what is stuck
	Limit      int           // of the backlog
	Rate       float64       // what can be finished in a second, as far as it is known
	Wait       time.Duration // the median wait of the work that was finished last
	RetryAfter time.Duration // until the backlog is below its limit, at the rate; 0 if it is
}

// State returns what the controller knows now.
func (c *Controller) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Now()
	s := State{
		Overloaded: c.overload, Flowing: c.flowing(now),
		Size: c.size(now), Limit: int(c.limit(now)), Rate: c.rate, Wait: c.wait,
	}
	if excess := float64(s.Size) - hysteresis*float64(s.Limit); excess > 0 && c.rate > 0 {
		s.RetryAfter = min(time.Duration(excess/c.rate*float64(time.Second)), c.config.Longest)
	}
	return s
}

func median(waits []time.Duration) time.Duration {
	slices.Sort(waits)
	return waits[len(waits)/2]
}
