// Package rolling counts what happened in the recent past in constant space.
package rolling

import (
	"iter"
	"time"
)

const buckets = 10

// Window is a rolling window: a ring of ten buckets, each a tenth of the window
// wide. A bucket that was last written a full turn ago is stale and is cleared
// before it is used again. T holds the counters of one bucket; its zero value is
// an empty bucket. A Window is not safe for concurrent use.
type Window[T any] struct {
	width  time.Duration
	newest int64 // number of the newest bucket, counted from time 0
	ring   [buckets]bucket[T]
}

type bucket[T any] struct {
	number int64
	counts T
}

// Of returns a window of the given length.
func Of[T any](length time.Duration) Window[T] {
	return Window[T]{width: max(length/buckets, 1)}
}

// Current returns the counters of the bucket that now belongs to. now is the time
// since the owner of the window started. Time does not run backwards here, even if
// the clock was set back or two callers read it and then come in the other order.
func (w *Window[T]) Current(now time.Duration) *T {
	b := &w.ring[w.advance(now)%buckets]
	if b.number != w.newest {
		*b = bucket[T]{number: w.newest}
	}
	return &b.counts
}

// Recent returns the counters of all buckets in the window that ends now.
func (w *Window[T]) Recent(now time.Duration) iter.Seq[*T] {
	oldest := w.advance(now) - buckets + 1
	return func(yield func(*T) bool) {
		for i := range w.ring {
			if b := &w.ring[i]; b.number >= oldest && !yield(&b.counts) {
				return
			}
		}
	}
}

func (w *Window[T]) advance(now time.Duration) int64 {
	w.newest = max(w.newest, int64(now/w.width))
	return w.newest
}

// Clear empties the window.
func (w *Window[T]) Clear() { w.ring = [buckets]bucket[T]{} }
