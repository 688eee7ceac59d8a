// Package groupcommit lets callers that arrive at the same time share one transaction: the
// cost of a transaction is about the same for one order and for twenty. A caller that finds
// no transaction running begins at once, so that a group costs no waiting for others.
package groupcommit

import "sync"

// Group collects items while transactions are running.
type Group[T any] struct {
	most    int // items in one batch
	leaders int // batches that run at the same time

	mu      sync.Mutex
	running int
	waiting []*waiter[T]
}

// waiter is a caller of Do whose item waits.
type waiter[T any] struct {
	item T
	lead chan struct{} // closed when it is this caller's turn to run a batch
	done chan struct{} // closed when the item was in a batch that has ended
}

// New returns a group that runs up to leaders batches at the same time, of up to most items
// each.
func New[T any](most, leaders int) *Group[T] { return &Group[T]{most: most, leaders: leaders} }

// Do returns when item was in a batch for which run was called: by this caller, with the
// items that wait, or by another. If run panics in another caller, the items of that batch
// are left as run left them.
func (g *Group[T]) Do(item T, run func(batch []T)) {
	w := &waiter[T]{item, make(chan struct{}), make(chan struct{})}
	if !g.join(w) {
		select {
		case <-w.done:
			return
		case <-w.lead:
		}
	}
	batch := g.take(w)
	defer g.end(batch)
	items := make([]T, len(batch))
	for i, b := range batch {
		items[i] = b.item
	}
	run(items)
}

// join reports whether w may run a batch at once; otherwise w waits.
func (g *Group[T]) join(w *waiter[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running < g.leaders {
		g.running++
		return true
	}
	g.waiting = append(g.waiting, w)
	return false
}

// take returns the batch that w runs: itself, and those that wait.
func (g *Group[T]) take(w *waiter[T]) []*waiter[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	batch := []*waiter[T]{w}
	n := min(len(g.waiting), g.most-1)
	batch = append(batch, g.waiting[:n]...)
	g.waiting = append([]*waiter[T](nil), g.waiting[n:]...)
	return batch
}

// end releases the callers whose items were in the batch, and lets the one that waits
// longest run the next.
func (g *Group[T]) end(batch []*waiter[T]) {
	for _, b := range batch {
		close(b.done)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.running--
		return
	}
	next := g.waiting[0]
	g.waiting = g.waiting[1:]
	close(next.lead)
}
