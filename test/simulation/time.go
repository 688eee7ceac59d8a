package simulation

import (
	"fmt"
	"slices"
	"time"
)

// tick is how often the loops that measure time run while nothing else happens.
const tick = 2 * time.Second

// timekeepers are the loops that measure the time that counts for deadlines.
var timekeepers = []string{"backlog", "hold expiry"}

// advance lets time pass.
func (r *run) advance(d time.Duration) {
	r.now = r.now.Add(d)
	r.history.wait(r.now.Sub(epoch), d)
}

// wait lets time pass while the processes run, but nothing reaches them.
func (r *run) wait(d time.Duration) {
	for ; d > 0; d -= tick {
		r.advance(min(d, tick))
		for _, n := range r.nodes {
			n.keepTime()
		}
	}
}

// keepTime steps the loops that measure time.
func (n *node) keepTime() {
	for _, l := range n.loops {
		if due, _ := l.due(n.run.now); due && n.running() && slices.Contains(timekeepers, l.Name) {
			n.step(l)
		}
	}
}

// sleep has the machine sleep with all that runs on it.
func (r *run) sleep() {
	d := time.Duration(10+r.random.IntN(1200)) * time.Second
	r.record("run", "the machine sleeps for %s", d)
	r.checker.slept += d - tick // as much of it counts as passes between two looks at a clock
	if r.bug.sleepsUnnoticed() {
		r.wait(d)
		return
	}
	r.advance(d)
}

// awake returns for how long the machine has not slept.
func (r *run) awake() time.Duration { return r.now.Sub(epoch) - r.checker.slept }

// checkSleep returns an error if an order was cancelled because of its deadline before it
// had its timeout while the machine was awake. Clocks that jump pass deadlines too.
func (r *run) checkSleep() error {
	if r.profile.has(clockSkew) {
		return nil
	}
	for _, o := range r.checker.orders {
		if o.seen < 0 {
			o.seen = r.awake()
		}
		if o.lapsed && r.awake()-o.seen < defaultDeadline {
			return fmt.Errorf("%s was cancelled because of its deadline after %s in which the machine was awake", r.labels.of(o.id), r.awake()-o.seen)
		}
		o.lapsed = false
	}
	return nil
}

// defaultDeadline is that of ORDERS_DEADLINE.
const defaultDeadline = 2 * time.Minute
