package sim

import (
	"context"
	"slices"
	"sync"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
)

const (
	takeBatch = 256
	askEvery  = time.Millisecond // a handler that failed
)

// Bus is one process's connection to a broker, with consumers that run by
// themselves. A simulation uses sessions instead.
type Bus struct {
	broker *Broker

	mu       sync.Mutex
	sessions []*Session
	closed   bool
}

// Connect makes a connection.
func (b *Broker) Connect() *Bus { return &Bus{broker: b} }

// Publish takes messages in.
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

// Subscribe hands the service's queue to h, a batch at a time, until ctx ends.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	lasting, cancel := worker.Grace(ctx)
	defer cancel()
	for {
		s, err := b.open(service)
		if err != nil {
			return err
		}
		s.serve(ctx, lasting, h)
		for ctx.Err() == nil && h(lasting, nil) != nil {
			wait(ctx, askEvery)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// serve handles batches until one fails or ctx ends.
func (s *Session) serve(ctx, lasting context.Context, h bus.BatchHandler) {
	defer s.Break()
	for ctx.Err() == nil {
		filled := s.filled()
		batch, tag := s.Receive(takeBatch)
		if len(batch) == 0 {
			select {
			case <-filled:
				continue
			case <-ctx.Done():
				return
			}
		}
		if h(lasting, batch) != nil || s.Ack(tag) != nil {
			return
		}
	}
}

func (s *Session) filled() <-chan struct{} {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	return s.queue.filled
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
