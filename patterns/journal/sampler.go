package journal

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// window is the time over which the rate is an average, so that a burst is recorded whole.
	window = 10 * time.Second
	// lowest is the most often that the share is halved: one order in 65,536 is left.
	lowest = 16
)

// sampler decides of which orders everything is recorded: of those whose hash is below a
// threshold, which halves when more is recorded than permitted, and recovers. The hash is
// the same in all services, so that what a busy service records is a part of what the
// others do.
type sampler struct {
	limit    int64
	halvings atomic.Int32 // the share is 1 / 2^halvings
	used     atomic.Int64 // records in this window
	leftOut  atomic.Int64 // records since the last tick

	began time.Time // of this window; of the caller of tick
}

func newSampler(perSecond int, now time.Time) *sampler {
	return &sampler{limit: int64(perSecond) * int64(window/time.Second), began: now}
}

// keeps reports whether a record that belongs to the key is made, and counts it. Those that
// must be made are only counted.
func (s *sampler) keeps(key string, must bool) bool {
	halvings := s.halvings.Load()
	if !must && hash(key) > math.MaxUint64>>halvings {
		s.leftOut.Add(1)
		return false
	}
	s.use(halvings)
	return true
}

// use counts a record. The record that fills the window halves the share, and a quarter of
// the window is free again: so a surge is limited before the window ends.
func (s *sampler) use(halvings int32) {
	if s.used.Add(1) > s.limit && halvings < lowest && s.halvings.CompareAndSwap(halvings, halvings+1) {
		s.used.Store(s.limit / 4 * 3)
	}
}

// tick ends the window if it is over, and returns how many records were left out since the
// last tick.
func (s *sampler) tick(now time.Time) (leftOut int) {
	leftOut = int(s.leftOut.Swap(0))
	passed := now.Sub(s.began)
	if passed >= 0 && passed < window {
		return leftOut
	}
	s.began = now
	used := s.used.Swap(0)
	halvings := s.halvings.Load()
	if used <= s.limit*2/5 && halvings > 0 { // there is room for twice as much
		s.halvings.CompareAndSwap(halvings, halvings-1)
	}
	return leftOut
}

// oneOf returns of how many records one is made at present, 0 if all are.
func (s *sampler) oneOf() int {
	halvings := s.halvings.Load()
	if halvings == 0 {
		return 0
	}
	return 1 << halvings
}

// share returns the share of the orders that are recorded.
func (s *sampler) share() float64 { return 1 / float64(max(s.oneOf(), 1)) }

// hash returns the 64-bit FNV-1a hash of the key, mixed so that its high bits depend on
// every byte. It allocates nothing.
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
