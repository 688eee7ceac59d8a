// Package inflight limits how many requests are under way at the same time: those that a
// service works on (Limit), and those whose body is still arriving (Readers). A request
// is refused at once instead of waiting, because a queue in front of a service that is
// too slow only makes every request late.
package inflight

import (
	"sync/atomic"
	"time"
)

// streamShare is the share of a Limit that requests with a streamed body may take, one
// in so many. A client that sends such a body slowly holds a slot for that long, so all
// of them together must leave most slots to other requests.
const streamShare = 4

// Limit is a number of slots for the requests that one service works on. It is safe for
// concurrent use.
type Limit struct {
	most     atomic.Int64
	used     atomic.Int64
	streams  atomic.Int64
	adaptive *adaptive // nil if the limit is fixed
}

// NewLimit returns a limit with this many slots.
func NewLimit(most int) *Limit {
	l := &Limit{}
	l.most.Store(int64(most))
	return l
}

// NewAdaptiveLimit returns a limit that adapts to what the service can do at the same
// time, up to this many slots. It learns from Observe and Shed.
func NewAdaptiveLimit(most int, now func() time.Time) *Limit {
	l := &Limit{adaptive: newAdaptive(most, now)}
	l.most.Store(l.adaptive.current())
	return l
}

// Take takes a slot and reports whether one was free. streams means that the client's
// body arrives while the service works. A slot that was taken must be given to Release.
func (l *Limit) Take(streams bool) bool {
	most := l.most.Load()
	if streams && l.streams.Add(1) > max(most/streamShare, 1) {
		l.streams.Add(-1)
		return false
	}
	if l.used.Add(1) > most {
		l.Release(streams)
		return false
	}
	return true
}

// Release gives back a slot.
func (l *Limit) Release(streams bool) {
	l.used.Add(-1)
	if streams {
		l.streams.Add(-1)
	}
}

// Observe records how long the service took for a response. A fixed limit ignores it.
func (l *Limit) Observe(took time.Duration) {
	if l.adaptive != nil {
		l.most.Store(l.adaptive.observe(took, l.Used()))
	}
}

// Shed records that the service refused a request because it has too much to do. A fixed
// limit ignores it.
func (l *Limit) Shed() {
	if l.adaptive != nil {
		l.most.Store(l.adaptive.shedLoad())
	}
}

// Used returns the number of slots that are taken.
func (l *Limit) Used() int { return int(l.used.Load()) }

// Most returns the number of slots that there are now.
func (l *Limit) Most() int { return int(l.most.Load()) }
