package payments

import (
	"sync"

	"troupe/patterns/worker"
	"troupe/services/payments/internal/payment"
)

// answered is a call with the provider's response.
type answered struct {
	call
	response payment.Response
}

// responses is the buffer between dispatch and record. It is safe for concurrent use.
type responses struct {
	arrived worker.Notifier // wakes record

	mu       sync.Mutex
	waiting  []answered // to be recorded, oldest first
	inflight int        // calls that are not recorded, with or without a response
}

func newResponses() *responses { return &responses{arrived: worker.NewNotifier()} }

// expect announces n calls.
func (r *responses) expect(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inflight += n
}

// inFlight returns the number of calls that are announced and not recorded.
func (r *responses) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inflight
}

// put adds the response to a call and wakes record.
func (r *responses) put(a answered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, a)
	r.arrived.Notify()
}

// take removes and returns up to limit responses, the oldest first.
func (r *responses) take(limit int) []answered {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(limit, len(r.waiting))
	batch := r.waiting[:n:n]
	if r.waiting = r.waiting[n:]; len(r.waiting) == 0 {
		r.waiting = nil // so that the recorded ones are freed
	}
	return batch
}

// putBack returns responses that could not be recorded.
func (r *responses) putBack(batch []answered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(batch, r.waiting...)
}

// recorded ends n calls whose outcomes are recorded.
func (r *responses) recorded(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inflight -= n
}
