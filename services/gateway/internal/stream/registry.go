// Package stream keeps the exchanges that have no end of their own: WebSockets and
// server-sent events. They are counted and limited apart from other requests, and a
// server that stops can end them, for it would wait for them without end.
package stream

import (
	"context"
	"net/netip"
	"sync"

	"troupe/services/gateway/internal/inflight"
)

// Registry holds the open streams. It is safe for concurrent use.
type Registry struct {
	limit *inflight.Readers

	mu       sync.Mutex
	open     map[*Stream]struct{}
	stopping bool
	ended    chan struct{} // closed when stopping and no stream is open
}

// Stream is one open stream. Close it when it has ended.
type Stream struct {
	registry *Registry
	client   netip.Addr
	end      func() // asks the stream to end
}

// Refusal is why no further stream is opened.
type Refusal uint8

// The refusals.
const (
	Opened      Refusal = iota
	AddressFull         // the client's address has as many as one may have
	AllFull             // all clients together have
	Stopping            // the server stops
)

// NewRegistry returns a registry that admits at most this many streams, and this many
// from one client address.
func NewRegistry(most, perAddress int) *Registry {
	return &Registry{limit: inflight.NewReaders(most, perAddress), open: map[*Stream]struct{}{}, ended: make(chan struct{})}
}

// Open admits a stream from a client's address, as inflight.Key returns it, or returns
// why not. When the server stops, end is called once; it must not block.
func (r *Registry) Open(client netip.Addr, end func()) (*Stream, Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil, Stopping
	}
	switch r.limit.Take(client) {
	case inflight.AddressFull:
		return nil, AddressFull
	case inflight.AllFull:
		return nil, AllFull
	}
	s := &Stream{registry: r, client: client, end: end}
	r.open[s] = struct{}{}
	return s, Opened
}

// Close ends the count of the stream.
func (s *Stream) Close() {
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, s)
	r.limit.Release(s.client)
	if r.stopping && len(r.open) == 0 {
		close(r.ended)
	}
}

// Count returns the number of open streams.
func (r *Registry) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// Stop asks every stream to end, and admits no further one.
func (r *Registry) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return
	}
	r.stopping = true
	if len(r.open) == 0 {
		close(r.ended)
	}
	for s := range r.open {
		s.end()
	}
}

// IsStopping reports whether Stop was called.
func (r *Registry) IsStopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// Wait stops the registry and returns when every stream has ended, or with the error of
// ctx.
func (r *Registry) Wait(ctx context.Context) error {
	r.Stop()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
