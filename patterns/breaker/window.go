package breaker

import (
	"time"

	"troupe/patterns/internal/rolling"
)

// window counts the calls of the recent past by their outcome.
type window struct{ rolling.Window[counts] }

type counts struct{ calls, failures, slow int }

func (w *window) add(o Outcome, now time.Duration) {
	c := w.Current(now)
	c.calls++
	switch o {
	case Failure:
		c.failures++
	case Slow:
		c.slow++
	}
}

func (w *window) sum(now time.Duration) (sum counts) {
	for c := range w.Recent(now) {
		sum.calls += c.calls
		sum.failures += c.failures
		sum.slow += c.slow
	}
	return sum
}
