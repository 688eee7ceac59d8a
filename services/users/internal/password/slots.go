package password

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Queue is where a call waits for its hash to be computed.
type Queue int

// The queues.
const (
	SignIns       Queue = iota // and changes of the password
	Registrations              // of new accounts
	queues                     // how many there are
)

const (
	// queuePerSlot is how many calls may wait in a queue for each hash that is being
	// computed: about a third of a second's work. With more, callers would give up before
	// their turn.
	queuePerSlot = 16
	// retryAfter is in how much time a queue has room again.
	retryAfter = time.Second
)

var errQueueFull = errors.New("the queue is full")

// slots are the permissions to compute a hash.
type slots struct {
	longest int // the most calls in each queue

	mu      sync.Mutex
	free    int
	waiting [queues][]chan struct{} // a closed channel has been given its slot
	next    Queue                   // whose turn it is
}

func newSlots(n int) *slots { return &slots{free: n, longest: n * queuePerSlot} }

// acquire waits for a slot. It returns errQueueFull, or the error of ctx.
func (s *slots) acquire(ctx context.Context, q Queue) error {
	given, err := s.join(q)
	if err != nil || given == nil {
		return err
	}
	select {
	case <-given:
		return nil
	case <-ctx.Done():
		s.leave(q, given)
		return ctx.Err()
	}
}

// join takes a free slot and returns nil, or joins the queue.
func (s *slots) join(q Queue) (given chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.free > 0:
		s.free--
		return nil, nil
	case len(s.waiting[q]) >= s.longest:
		return nil, errQueueFull
	}
	given = make(chan struct{})
	s.waiting[q] = append(s.waiting[q], given)
	return given, nil
}

// leave removes a call from its queue. If it was given its slot in the meantime, the slot
// is passed on.
func (s *slots) leave(q Queue, given chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := slices.Index(s.waiting[q], given); at >= 0 {
		s.waiting[q] = slices.Delete(s.waiting[q], at, at+1)
		return
	}
	s.pass()
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass gives a slot to the first call of the next queue that is not empty.
func (s *slots) pass() {
	for range queues {
		q := s.next
		s.next = (s.next + 1) % queues
		if len(s.waiting[q]) > 0 {
			close(s.waiting[q][0])
			s.waiting[q] = s.waiting[q][1:]
			return
		}
	}
	s.free++
}
