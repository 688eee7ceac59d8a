package payments

import (
	"sync"
	"time"

	"troupe/patterns/worker"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
)

// call is one call to the provider.
type call struct {
	orderID string
	payment.Call
	request provider.Request
}

// callOf returns the call c for the open operation of p.
func callOf(p *payment.Payment, c payment.Call) call {
	return call{orderID: p.OrderID, Call: c, request: provider.Request{
		Kind: provider.Kind(c.Kind), Key: c.Key, Charge: p.ID, Amount: p.Amount, Method: p.Method, Ask: c.Ask,
	}}
}

// answered is a call with the provider's response.
type answered struct {
	call
	response payment.Response
}

// calls are the calls for which this replica has a lease. They wait to be made, or for
// their response, or to be recorded. It is safe for concurrent use.
type calls struct {
	due     worker.Notifier // wakes dispatch
	arrived worker.Notifier // wakes record

	mu       sync.Mutex
	leased   []call         // to be made, oldest first
	waiting  []answered     // to be recorded, oldest first
	inflight int            // all that are not recorded
	open     map[string]int // those of each lease that are not recorded
	left     bool           // operations without a lease may be due
}

func newCalls() *calls {
	return &calls{due: worker.NewNotifier(), arrived: worker.NewNotifier(), open: map[string]int{}}
}

// free returns how many more calls may be in flight.
func (c *calls) free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, maxInFlight-c.inflight)
}

// room returns how many calls a transaction may lease: none while earlier operations wait
// without a lease, so that they come first.
func (c *calls) room() int {
	if c.hasLeft() {
		return 0
	}
	return c.free()
}

// hasLeft reports whether operations without a lease may be due.
func (c *calls) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

func (c *calls) setLeft(left bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = left
}

// expect adds n calls that dispatch is about to make. more is whether it has left others.
func (c *calls) expect(n int, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inflight += n
	c.left = c.left || more
}

// handOver adds calls that a transaction has leased, and wakes dispatch. left is whether
// the transaction has left operations that are due without a lease.
func (c *calls) handOver(leased []call, left bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leased = append(c.leased, leased...)
	c.inflight += len(leased)
	for _, l := range leased {
		c.open[l.Lease]++
	}
	c.left = c.left || left
	c.due.Notify()
}

// next removes and returns up to limit calls to be made, the oldest first, apart from
// those whose lease has expired: another replica may have claimed them.
func (c *calls) next(limit int, now time.Time) (next, expired []call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(limit, len(c.leased))
	for _, l := range c.leased[:n] {
		if now.Before(l.DueAt) {
			next = append(next, l)
		} else {
			expired = append(expired, l)
		}
	}
	if c.leased = c.leased[n:]; len(c.leased) == 0 {
		c.leased = nil // so that the array is freed
	}
	return next, expired
}

// put adds the response to a call and wakes record.
func (c *calls) put(a answered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, a)
	c.arrived.Notify()
}

// take removes and returns up to limit responses, the oldest first.
func (c *calls) take(limit int) []answered {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(limit, len(c.waiting))
	batch := c.waiting[:n:n]
	if c.waiting = c.waiting[n:]; len(c.waiting) == 0 {
		c.waiting = nil // so that the recorded ones are freed
	}
	return batch
}

// putBack returns responses that could not be recorded.
func (c *calls) putBack(batch []answered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(batch, c.waiting...)
}

// lastOf returns the leases of which no other call than these is left.
func (c *calls) lastOf(batch []call) (leases []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[string]int{}
	for _, l := range batch {
		n[l.Lease]++
		if l.Lease != "" && n[l.Lease] == c.open[l.Lease] {
			leases = append(leases, l.Lease)
		}
	}
	return leases
}

// end removes calls, whose outcomes are recorded or which will not be made. It wakes
// dispatch if operations are left for which there was no room.
func (c *calls) end(batch []call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inflight -= len(batch)
	for _, l := range batch {
		if c.open[l.Lease]--; c.open[l.Lease] <= 0 {
			delete(c.open, l.Lease)
		}
	}
	if c.left {
		c.due.Notify()
	}
}

func callsOf(batch []answered) []call {
	calls := make([]call, len(batch))
	for i, a := range batch {
		calls[i] = a.call
	}
	return calls
}

func ordersOf(calls []call) []string {
	ids := make([]string, len(calls))
	for i, c := range calls {
		ids[i] = c.orderID
	}
	return ids
}
