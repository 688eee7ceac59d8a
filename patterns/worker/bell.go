package worker

// Bell wakes a worker: a channel that holds one ring. Its own channel is what
// Worker.Wake takes.
type Bell chan struct{}

// NewBell makes a bell that has not been rung.
func NewBell() Bell { return make(Bell, 1) }

// Ring wakes the worker, or has it look again once it is through if it is busy:
// no ring goes unheard, and nobody waits to ring.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}
