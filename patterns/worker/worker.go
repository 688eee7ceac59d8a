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
	// Every is the longest wait between steps that found nothing to do; 0 means 1 s.
	Every time.Duration
	// Wake ends the wait early. May be nil.
	Wake <-chan struct{}
}
