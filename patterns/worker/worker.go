// Package worker runs background loops: the relay of an outbox, retries, sweepers,
// calls to other systems. A loop is a step and a thin Run around it. A step starts
// no goroutine and reads no clock of its own, so that a test or a simulator can
// call it directly.
package worker

import (
	"context"
	"time"
)

// Worker is a step that is repeated.
type Worker struct {
	Name string
	// Step does what is due and returns how many things it did. A positive number
	// means that there may be more to do at once.
	Step func(ctx context.Context) (did int, err error)
	// Interval is the longest wait between steps that find nothing to do; 0 means 1 s.
	Interval time.Duration
	// Wake ends the wait early. It may be nil.
	Wake <-chan struct{}
	// BatchSize is the most that one step can do, if there is a limit. A step that
	// did less has left nothing, so the worker waits for Wake. 0 means that a step
	// that did anything is followed by another at once.
	BatchSize int
	// Linger is how long the worker waits after Wake before it steps, so that more
	// work can arrive and one step does what would otherwise take many. It trades
	// this much latency for fewer transactions.
	Linger time.Duration
	// Background marks work that is not urgent, such as the deletion of what is old. After a
	// step that did anything the worker waits four times as long as the step took, so that it
	// leaves the machine and the locks of the database to others, however much there is to do.
	Background bool
}
