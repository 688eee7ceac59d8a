package simulation

import (
	"context"
	"time"

	"troupe/patterns/worker"
)

// loop is a worker between its steps, as worker.Run would have it: it steps again
// at once if there may be more to do, else when it is woken or its time has come,
// and after a failure only when its time has come.
type loop struct {
	worker.Worker
	next     time.Time // when its time has come
	again    bool
	failures int
}

// due says whether it may step now, and whether time alone makes it.
func (l *loop) due(now time.Time) (due, byTime bool) {
	if l.again || l.failures == 0 && len(l.Wake) > 0 {
		return true, false
	}
	timely := !now.Before(l.next)
	return timely, timely
}

// step runs the worker once, and says how much it did.
func (n *node) step(l *loop) (did int) {
	w := n.world
	if !l.again && l.failures == 0 && len(l.Wake) > 0 {
		<-l.Wake
	}
	var err error
	if !n.do(func(ctx context.Context) { did, err = l.Step(ctx) }) {
		return 0
	}
	l.again = did > 0 && (did >= l.BatchSize || err != nil)
	every := l.Interval
	if every <= 0 {
		every = time.Second
	}
	if err == nil {
		l.failures, l.next = 0, w.now.Add(every)
		if did > 0 {
			w.tell(n.name, "%s: did %d", l.Name, did)
		}
		return did
	}
	l.failures++
	l.next = w.now.Add(min(100*time.Millisecond<<min(l.failures-1, 10), 10*time.Second))
	w.tell(n.name, "%s: did %d, then failed: %v", l.Name, did, err)
	if l.Name != "outbox relay" && n.life.hurt == "" { // the relay fails with the broker
		w.complain("%s: %s failed: %w", n.name, l.Name, err)
	}
	return did
}
