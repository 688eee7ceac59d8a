package breaker

import "time"

const buckets = 10

// window counts the calls of the last while in a ring of buckets. A bucket that
// was last written a full turn ago is stale and starts anew.
type window struct {
	width  time.Duration
	newest int64 // number of the newest bucket, counted from the breaker's start
	ring   [buckets]bucket
}

type bucket struct {
	number int64
	counts
}

type counts struct{ calls, failures, slow int }

func (w *window) add(o Outcome, now time.Duration) {
	number := w.number(now)
	b := &w.ring[number%buckets]
	if b.number != number {
		*b = bucket{number: number}
	}
	b.calls++
	switch o {
	case Failure:
		b.failures++
	case Slow:
		b.slow++
	}
}

func (w *window) sum(now time.Duration) counts {
	oldest := w.number(now) - buckets + 1
	var sum counts
	for i := range w.ring {
		if b := &w.ring[i]; b.number >= oldest {
			sum.calls += b.calls
			sum.failures += b.failures
			sum.slow += b.slow
		}
	}
	return sum
}

// number of the bucket now falls into. Time does not run backwards here, even if
// two callers read the clock and come to the lock in the other order.
func (w *window) number(now time.Duration) int64 {
	w.newest = max(w.newest, int64(now/w.width))
	return w.newest
}

func (w *window) clear() { w.ring = [buckets]bucket{} }
