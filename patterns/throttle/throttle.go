// Package throttle refuses requests to a service that refuses most of them itself:
// adaptive throttling in the client, as in chapter 21 of Google's "Site Reliability
// Engineering". A refusal costs the service a part of what the work costs; at several
// times the load that it can carry, these parts add up to all it has.
package throttle

import (
	"math"
	"sync"
	"time"
)

const (
	// excess is how many requests are sent for each that the service accepts. What is
	// sent beyond 1 shows when the service can accept more.
	excess = 1.2
	// growth multiplies excess for each slot in which the service refuses nothing, after
	// the first. A service that has been too busy accepts and refuses in turns.
	growth = 1.2
	// closed is the number of refusals in a row after which the service probably refuses
	// all for a while: one that keeps a backlog accepts for seconds and then refuses for
	// seconds. From then on about probes requests a second find out when it accepts again.
	closed = 20
	probes = 100
	// few is the number of requests in a window below which nearly none is refused.
	few = 50

	slots    = 16
	slotTime = 500 * time.Millisecond
	window   = slots * slotTime
)

// Throttle refuses the share of the requests of one operation by which they exceed what
// the service accepts. It is safe for concurrent use.
type Throttle struct {
	now    func() time.Time
	random func() float64

	mu     sync.Mutex
	counts [slots]counts // a ring
	all    counts        // their sum
	slot   int64         // the present one, counted since 1970
	calm   int           // slots in a row in which the service has accepted all
	streak int           // refusals by the service since it accepted last
}

// counts are numbers of requests.
type counts struct {
	requests float64 // all that were answered, by the throttle or by the service
	accepted float64 // by the service
	refused  float64 // by the service
}

// New returns a throttle that has seen no request yet. random returns numbers from 0 up
// to 1.
func New(now func() time.Time, random func() float64) *Throttle {
	return &Throttle{now: now, random: random}
}

// Admit reports whether a request should be sent to the service. Answered must be called
// with the answer to a request that is sent, if there is one, and Refused for one that is
// not.
func (t *Throttle) Admit() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn()
	share := t.refusedShare()
	return share <= 0 || t.random() >= share
}

// Refused counts a request that was not admitted. It is not called for one that is refused
// for a fault of its own: requests that the service would never have accepted must not take
// the place of others.
func (t *Throttle) Refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn()
	t.add(counts{requests: 1})
}

// refusedShare returns the share of the requests to refuse now; none are below 0.
func (t *Throttle) refusedShare() float64 {
	surplus := t.all.requests - excess*math.Pow(growth, float64(max(t.calm-1, 0)))*t.all.accepted
	share := surplus / (t.all.requests + few)
	if t.streak >= closed {
		share = max(share, 1-probes*window.Seconds()/t.all.requests)
	}
	return share
}

// Answered counts the answer to a request that was sent: whether the service refused it
// because it has too much to do.
func (t *Throttle) Answered(refused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn()
	if refused {
		t.streak++
		t.add(counts{requests: 1, refused: 1})
		return
	}
	t.streak = 0
	t.add(counts{requests: 1, accepted: 1})
}

// add adds to the present slot.
func (t *Throttle) add(c counts) {
	t.counts[t.slot%slots].add(c, 1)
	t.all.add(c, 1)
}

// turn makes the present slot that of the present time, and drops those that are older
// than the window. If the clock was set back by more than the window, it drops all:
// otherwise nothing would be forgotten until the clock has come that far again.
func (t *Throttle) turn() {
	slot := t.now().UnixNano() / int64(slotTime)
	if slot < t.slot-slots {
		t.counts, t.all, t.calm, t.streak, t.slot = [slots]counts{}, counts{}, 0, 0, slot
	}
	for t.slot = max(t.slot, slot-slots); t.slot < slot; {
		if last := t.counts[t.slot%slots]; last.refused > 0 {
			t.calm = 0
		} else if last.accepted > 0 {
			t.calm = min(t.calm+1, slots)
		}
		t.slot++
		old := &t.counts[t.slot%slots]
		t.all.add(*old, -1)
		*old = counts{}
	}
}

func (c *counts) add(d counts, times float64) {
	c.requests += times * d.requests
	c.accepted += times * d.accepted
	c.refused += times * d.refused
}
