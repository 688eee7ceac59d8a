package sim

import (
	"context"
	"slices"
	"sync"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/retry"
	"troupe/patterns/worker"
)

const (
	batchSize         = 256
	readinessInterval = time.Millisecond // between two calls of a handler that is not ready
)

// Bus is one process's connection to a broker, with consumers that run in goroutines
// of their own. A simulation uses sessions instead.
type Bus struct {
	broker *Broker

	mu       sync.Mutex
	sessions []*Session
	closed   bool
}

// Connect returns a new connection to the broker.
func (b *Broker) Connect() *Bus { return &Bus{broker: b} }

// Publish puts each message into the queues of all its consumers, or into none.
func (b *Bus) Publish(_ context.Context, messages []bus.Message) []error {
	return b.broker.Publish(messages)
}

// Close breaks all sessions.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, s := range b.sessions {
		s.Break()
	}
	return nil
}

func (b *Bus) open(service string) (*Session, error) {
	s, err := b.broker.Open(service)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.Break()
	}
	b.sessions = slices.DeleteFunc(b.sessions, func(s *Session) bool { return s.Unacked() == 0 && s.broken })
	b.sessions = append(b.sessions, s)
	return s, nil
}

// Subscribe delivers the service's queue to h, a batch at a time, until ctx ends.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	grace, cancel := worker.Grace(ctx)
	defer cancel()
	for {
		s, err := b.open(service)
		if err != nil {
			return err
		}
		s.serve(ctx, grace, h)
		for ctx.Err() == nil && h(grace, nil) != nil {
			_ = retry.Sleep(ctx, readinessInterval) // the loop looks at ctx itself
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// serve handles batches until one fails or ctx ends.
func (s *Session) serve(ctx, grace context.Context, h bus.BatchHandler) {
	defer s.Break()
	for ctx.Err() == nil {
		changed := s.queueChanged()
		batch, tag := s.Receive(batchSize)
		if len(batch) == 0 {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		if h(grace, batch) != nil || s.Ack(tag) != nil {
			return
		}
	}
}

func (s *Session) queueChanged() <-chan struct{} {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	return s.queue.changed
}
