package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
)

const (
	// livenessInterval is how often the loops are looked at.
	livenessInterval = 10 * time.Second
	// longestStep is how long a step may take. It is longer than any wait of a step has by
	// itself: the sender of mails may wait ten minutes for a server.
	longestStep = 20 * time.Minute
	// longestIdle and idleIntervals are how long a loop may take to its next step, whichever
	// is longer. A loop whose steps fail waits up to ten seconds.
	longestIdle   = 2 * time.Minute
	idleIntervals = 10
)

// liveness knows whether the background loops of a process go on. It counts looks rather
// than time, so that a process that did not run for a while is not taken for a stuck one.
type liveness struct {
	mu    sync.Mutex
	loops []*pulse
	stuck string // the sentence about a loop that does not go on, "" if all do
}

// pulse counts the beginnings and the ends of the steps of one loop.
type pulse struct {
	name     string        // "send-mails of notifications"
	interval time.Duration // 0: the loop waits for something, for any time
	beats    atomic.Uint64 // odd while a step runs

	seen  uint64        // at the latest look
	stale time.Duration // since then, in looks
}

func (l *liveness) add(name string, interval time.Duration) *pulse {
	p := &pulse{name: name, interval: interval}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loops = append(l.loops, p)
	return p
}

// watch returns w with its steps counted.
func (l *liveness) watch(w worker.Worker, service string) worker.Worker {
	p, step := l.add(w.Name+" of "+service, max(w.Interval, time.Second)), w.Step
	w.Step = func(ctx context.Context) (int, error) {
		defer p.beat()()
		return step(ctx)
	}
	return w
}

// watchHandler returns a handler of batches whose batches are counted as steps.
func (l *liveness) watchHandler(handle bus.BatchHandler, service string) bus.BatchHandler {
	p := l.add("the handling of events of "+service, 0)
	return func(ctx context.Context, batch []bus.Delivery) error {
		defer p.beat()()
		return handle(ctx, batch)
	}
}

// beat counts the beginning of a step, and returns the function that counts its end.
func (p *pulse) beat() (end func()) {
	p.beats.Add(1)
	return func() { p.beats.Add(1) }
}

// run looks at the loops until ctx ends.
func (l *liveness) run(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(livenessInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.look(livenessInterval, log)
		case <-ctx.Done():
			return
		}
	}
}

// look compares the counts with those of the look before, and logs a change.
func (l *liveness) look(passed time.Duration, log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.stuck
	l.stuck = ""
	for _, p := range l.loops {
		if sentence := p.look(passed); sentence != "" && l.stuck == "" {
			l.stuck = sentence
		}
	}
	switch {
	case before == "" && l.stuck != "":
		log.Error("the process does not go on, so it is not live and should be restarted", "reason", l.stuck)
	case before != "" && l.stuck == "":
		log.Info("the process goes on again")
	}
}

// look returns a sentence if the loop does not go on.
func (p *pulse) look(passed time.Duration) string {
	beats := p.beats.Load()
	if beats != p.seen {
		p.seen, p.stale = beats, 0
		return ""
	}
	p.stale += passed
	switch inStep := beats%2 == 1; {
	case inStep && p.stale > longestStep:
		return fmt.Sprintf("a step of %s has not ended for %s", p.name, p.stale)
	case !inStep && p.interval > 0 && p.stale > max(longestIdle, idleIntervals*p.interval):
		return fmt.Sprintf("%s has not begun a step for %s", p.name, p.stale)
	}
	return ""
}

// reason returns why the process is not live, as a sentence that anybody may read, or "".
func (l *liveness) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stuck
}

// inStep returns the names of the loops whose step runs.
func (l *liveness) inStep() (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.loops {
		if p.beats.Load()%2 == 1 {
			names = append(names, p.name)
		}
	}
	return names
}
