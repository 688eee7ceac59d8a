package simulation

import (
	"context"
	"time"

	"troupe/patterns/worker"
)

// loop runs a worker step by step as worker.Run does: it steps again at once if there
// may be more to do, otherwise when it is woken or its interval is over, and after a
// failure only when its wait is over.
type loop struct {
	worker.Worker
	next     time.Time // when the interval or the wait is over
	again    bool
	failures int
}

// due reports whether it may step now, and whether only because of the time.
func (l *loop) due(now time.Time) (due, byTime bool) {
	if l.again || l.failures == 0 && len(l.Wake) > 0 {
		return true, false
	}
	byTime = !now.Before(l.next)
	return byTime, byTime
}

// step runs the worker once and returns how much it did.
func (n *node) step(l *loop) (did int) {
	r := n.run
	if !l.again && l.failures == 0 && len(l.Wake) > 0 {
		<-l.Wake
	}
	var err error
	if !n.execute(func(ctx context.Context) { did, err = l.Step(ctx) }) {
		return 0
	}
	l.again = did > 0 && (did >= l.BatchSize || err != nil)
	every := l.Interval
	if every <= 0 {
		every = time.Second
	}
	if err == nil {
		l.failures, l.next = 0, r.now.Add(every)
		if did > 0 {
			r.record(n.name, "%s: did %d", l.Name, did)
		}
		return did
	}
	l.failures++
	l.next = r.now.Add(min(100*time.Millisecond<<min(l.failures-1, 10), 10*time.Second))
	r.record(n.name, "%s: did %d, then failed: %v", l.Name, did, err)
	if l.Name != "outbox relay" && n.process.failure == "" { // the relay fails when the broker cannot be reached
		r.report("%s: %s failed: %w", n.name, l.Name, err)
	}
	return did
}
