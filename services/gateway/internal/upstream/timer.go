package upstream

import (
	"context"
	"sync"
	"time"
)

// timer cancels a context when a wait takes too long. It serves one wait after another,
// which costs less than a context with a deadline for each.
type timer struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	clock *time.Timer
	cause error // the cause of a cancellation during the present wait; nil between waits
	due   time.Time
	// reclassify may return another cause when the wait is over. It may be nil.
	reclassify func(error) error
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

// restart restarts the wait with its full time, if it is the present one.
func (t *timer) restart(cause error, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause == cause { //nolint:errorlint // compares which wait runs, not what the error means
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

// expire cancels the context if the wait is over. It may be called late, when that wait
// has ended and another one runs.
func (t *timer) expire() {
	t.mu.Lock()
	cause, early := t.cause, time.Now().Before(t.due)
	t.mu.Unlock()
	if cause == nil || early {
		return
	}
	if t.reclassify != nil {
		cause = t.reclassify(cause)
	}
	t.cancel(cause)
}
