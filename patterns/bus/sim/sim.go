// Package sim is a broker in memory whose faults are made to order: which message
// comes next, when a session breaks, whether an acknowledgement arrives, what
// comes twice. Nothing happens in it by chance or by itself, so a simulation that
// drives it with a seeded source does the same thing every time.
package sim

import (
	"fmt"
	"slices"
	"sync"

	"troupe/patterns/bus"
)

// Broker is what outlives the processes that use it: the queues.
type Broker struct {
	topology bus.Topology
	choose   func(n int) int
	acked    func(service string, m bus.Message)

	mu     sync.Mutex
	queues map[string]*queue // by service
}

type queue struct {
	ready []bus.Delivery
	// filled is closed, and replaced, when something gets ready.
	filled chan struct{}
}

// Option of a broker.
type Option func(*Broker)

// Choose has choose(n) say which of n waiting messages is handed out next,
// instead of the oldest.
func Choose(choose func(n int) int) Option { return func(b *Broker) { b.choose = choose } }

// Acked tells f of every message that a service acknowledged.
func Acked(f func(service string, m bus.Message)) Option { return func(b *Broker) { b.acked = f } }

// NewBroker makes a broker with an empty queue for every service that hears anything.
func NewBroker(topology bus.Topology, o ...Option) *Broker {
	b := &Broker{
		topology: topology, queues: map[string]*queue{},
		choose: func(int) int { return 0 }, acked: func(string, bus.Message) {},
	}
	for _, services := range topology {
		for _, s := range services {
			if b.queues[s] == nil {
				b.queues[s] = &queue{filled: make(chan struct{})}
			}
		}
	}
	for _, set := range o {
		set(b)
	}
	return b
}

// Publish puts each message into the queues of all its hearers, or into none.
func (b *Broker) Publish(messages []bus.Message) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		if errs[i] = b.routable(m); errs[i] != nil {
			continue
		}
		for _, service := range b.topology[m.Type] {
			b.queues[service].put(bus.Delivery{Message: m})
		}
	}
	return errs
}

func (b *Broker) routable(m bus.Message) error {
	services, known := b.topology[m.Type]
	if !known {
		return fmt.Errorf("%q: %w", m.Type, bus.ErrUnknownType)
	}
	for _, service := range services {
		if b.queues[service] == nil {
			return fmt.Errorf("%q for %s: %w", m.Type, service, bus.ErrUnroutable)
		}
	}
	return nil
}

func (q *queue) put(ds ...bus.Delivery) {
	q.ready = append(q.ready, ds...)
	close(q.filled)
	q.filled = make(chan struct{})
}

// Duplicate puts a message into one service's queue once more.
func (b *Broker) Duplicate(service string, m bus.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[service].put(bus.Delivery{Message: m})
}

// Lose takes a service's queue away.
func (b *Broker) Lose(service string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.queues, service)
}

// Waiting is how many messages wait to be handed out to a service.
func (b *Broker) Waiting(service string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[service]; q != nil {
		return len(q.ready)
	}
	return 0
}

// Session is one consumer's connection. What it was handed and has not
// acknowledged goes back when it breaks.
type Session struct {
	broker  *Broker
	service string
	queue   *queue
	unacked []bus.Delivery
	last    uint64 // tag of the last of unacked
	broken  bool
}

// Open begins a session on a service's queue.
func (b *Broker) Open(service string) (*Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[service]
	if q == nil {
		return nil, fmt.Errorf("open a session: %s has no queue", service)
	}
	return &Session{broker: b, service: service, queue: q}, nil
}

// Receive hands out up to limit messages, and the tag that acknowledges all that
// were handed out so far.
func (s *Session) Receive(limit int) (batch []bus.Delivery, tag uint64) {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	q := s.queue
	for !s.broken && len(batch) < limit && len(q.ready) > 0 {
		i := s.broker.choose(len(q.ready))
		batch = append(batch, q.ready[i])
		q.ready = slices.Delete(q.ready, i, i+1)
	}
	s.unacked = append(s.unacked, batch...)
	s.last += uint64(len(batch))
	return batch, s.last
}

// Ack acknowledges everything up to tag. On a broken session it is an error and
// has no effect: the tags of another session count from 1 again.
func (s *Session) Ack(tag uint64) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.broken {
		return bus.ErrUnavailable
	}
	first := s.last - uint64(len(s.unacked)) + 1
	if tag < first {
		return nil
	}
	n := min(int(tag-first)+1, len(s.unacked))
	done := s.unacked[:n]
	s.unacked = slices.Clone(s.unacked[n:])
	for _, d := range done {
		s.broker.acked(s.service, d.Message)
	}
	return nil
}

// Break ends the session: what it has not acknowledged is handed out again, with
// a higher Attempt.
func (s *Session) Break() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.broken {
		return
	}
	s.broken = true
	for i := range s.unacked {
		s.unacked[i].Attempt++
	}
	s.queue.ready = append(s.unacked, s.queue.ready...)
	s.unacked = nil
	close(s.queue.filled)
	s.queue.filled = make(chan struct{})
}

// Unacked is how many messages this session was handed and has not acknowledged.
func (s *Session) Unacked() int {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	return len(s.unacked)
}
