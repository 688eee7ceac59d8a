package upstream

import (
	"context"
	"sync"
	"time"
)

// timer ends a context when a wait is too long. It serves one wait after another,
// which costs less than a context with a deadline for each.
type timer struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	clock *time.Timer
	cause error // what the present wait is cancelled with; nil between waits
	due   time.Time
	// blame may name another cause once the wait is over. May be nil.
	blame func(error) error
}

// start begins a wait.
func (t *timer) start(cause error, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cause = cause
	t.due = time.Now().Add(d)
	if t.clock == nil {
		t.clock = time.AfterFunc(d, t.expire)
		return
	}
	t.clock.Reset(d)
}

// restart gives the wait its full time again, if it is the one that runs.
func (t *timer) restart(cause error, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause == cause { //nolint:errorlint // which of the waits runs, not what it means
		t.due = time.Now().Add(d)
		t.clock.Reset(d)
	}
}

// stop ends the wait.
func (t *timer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clock != nil {
		t.clock.Stop()
	}
	t.cause = nil
}

// expire may come late, when the wait it was meant for has ended and another runs.
func (t *timer) expire() {
	t.mu.Lock()
	cause, early := t.cause, time.Now().Before(t.due)
	t.mu.Unlock()
	if cause == nil || early {
		return
	}
	if t.blame != nil {
		cause = t.blame(cause)
	}
	t.cancel(cause)
}
