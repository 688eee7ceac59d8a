// Package worker runs background steps: relay, sweeper, retries, calls to the
// outside. A step takes no goroutine and reads no clock of its own, so a test or
// a simulator can call it directly; Run is the thin loop around it.
package worker

import (
	"context"
	"time"
)

// Worker is a step to be repeated.
type Worker struct {
	Name string
	// Step does what is due and says how many things it did. A positive number
	// means there may be more at once.
	Step func(ctx context.Context) (did int, err error)
	// Interval is the longest wait between steps that found nothing to do; 0 means 1 s.
	Interval time.Duration
	// Wake ends the wait early. May be nil.
	Wake <-chan struct{}
	// BatchSize is the most that one step does, if there is such a number: a step
	// that did less has left nothing, and the next waits to be woken. 0 means that
	// a step which did anything is followed by another at once.
	BatchSize int
	// Linger is how long to let more come once woken, so that one step does what
	// would take many: it trades this much latency for fewer transactions.
	Linger time.Duration
}
