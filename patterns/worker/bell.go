package worker

// Notifier wakes a worker: a channel that holds one ring. Its own channel is what
// Worker.Wake takes.
type Notifier chan struct{}

// NewNotifier makes a bell that has not been rung.
func NewNotifier() Notifier { return make(Notifier, 1) }

// Notify wakes the worker, or has it look again once it is through if it is busy:
// no ring goes unheard, and nobody waits to ring.
func (b Notifier) Notify() {
	select {
	case b <- struct{}{}:
	default:
	}
}
