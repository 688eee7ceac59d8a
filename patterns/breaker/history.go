package breaker

// historySize is how many changes a breaker remembers.
const historySize = 32

// history is a ring of the latest changes.
type history struct {
	ring  [historySize]Change
	count int // of all changes since the start
}

func (h *history) add(c Change) {
	h.ring[h.count%historySize] = c
	h.count++
}

// last returns the latest change, the zero Change if there was none.
func (h *history) last() Change {
	if h.count == 0 {
		return Change{}
	}
	return h.ring[(h.count-1)%historySize]
}

// History returns the latest changes, up to 32, the latest first.
func (b *Breaker) History() []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &b.history
	changes := make([]Change, min(h.count, historySize))
	for i := range changes {
		changes[i] = h.ring[(h.count-1-i)%historySize]
	}
	return changes
}
