// Package sim is a broker in memory whose faults its user chooses: which message is
// delivered next, when a session breaks, whether an acknowledgement arrives, which
// message is delivered twice. Nothing in it happens at random or in the background,
// so a simulation that drives it with a seeded source repeats itself exactly.
package sim

import (
	"fmt"
	"slices"
	"sync"

	"troupe/patterns/bus"
)

// Broker holds the queues, which outlive the processes that use it.
type Broker struct {
	topology bus.Topology
	choose   func(n int) int
	acked    func(service string, m bus.Message)

	mu     sync.Mutex
	queues map[string]*queue // by service
}

type queue struct {
	ready []bus.Delivery
	// changed is closed, and replaced, when a message becomes ready.
	changed chan struct{}
}

// Option configures a Broker.
type Option func(*Broker)

// Choose makes the broker call choose(n) to select which of n waiting messages is
// delivered next, instead of the oldest.
func Choose(choose func(n int) int) Option { return func(b *Broker) { b.choose = choose } }

// Acked makes the broker call f for every message that a service acknowledged.
func Acked(f func(service string, m bus.Message)) Option { return func(b *Broker) { b.acked = f } }

// NewBroker returns a broker with an empty queue for every service in the topology.
func NewBroker(topology bus.Topology, o ...Option) *Broker {
	b := &Broker{
		topology: topology, queues: map[string]*queue{},
		choose: func(int) int { return 0 }, acked: func(string, bus.Message) {},
	}
	for _, service := range topology.Consumers() {
		b.queues[service] = &queue{changed: make(chan struct{})}
	}
	for _, set := range o {
		set(b)
	}
	return b
}

// Publish puts each message into the queues of all its consumers, or into none.
func (b *Broker) Publish(messages []bus.Message) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		var services []string
		services, errs[i] = b.topology.Route(m, b.hasQueue)
		for _, service := range services {
			b.queues[service].put(bus.Delivery{Message: m})
		}
	}
	return errs
}

func (b *Broker) hasQueue(service string) bool { return b.queues[service] != nil }

func (q *queue) put(ds ...bus.Delivery) {
	q.ready = append(q.ready, ds...)
	close(q.changed)
	q.changed = make(chan struct{})
}

// Duplicate puts a message into one service's queue once more.
func (b *Broker) Duplicate(service string, m bus.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[service].put(bus.Delivery{Message: m})
}

// DeleteQueue deletes a service's queue.
func (b *Broker) DeleteQueue(service string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.queues, service)
}

// Waiting returns how many messages of a service wait for their delivery.
func (b *Broker) Waiting(service string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[service]; q != nil {
		return len(q.ready)
	}
	return 0
}

// Session is one consumer's connection. Messages that it has received and not
// acknowledged are requeued when it breaks.
type Session struct {
	broker  *Broker
	service string
	queue   *queue
	unacked []bus.Delivery
	last    uint64 // tag of the last message in unacked
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

// Receive returns up to limit messages, and the tag that acknowledges every message
// received so far.
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

// Ack acknowledges every message up to tag. On a broken session it is an error and
// has no effect: each session counts its tags from 1.
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

// Break ends the session. Messages that it has not acknowledged are delivered again,
// with a higher Attempt.
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
	close(s.queue.changed)
	s.queue.changed = make(chan struct{})
}

// Unacked returns how many messages this session has received and not acknowledged.
func (s *Session) Unacked() int {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	return len(s.unacked)
}
