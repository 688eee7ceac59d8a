package retry

import (
	"cmp"
	"sync"
	"time"
)

// Budget limits retries to a share of the requests of the last while, and always
// allows a few, so that quiet callers may retry too. Share one among everything
// that calls the same service. It is safe for concurrent use.
type Budget struct {
	share float64
	floor int
	width time.Duration
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	newest int64
	ring   [slots]slot
}

const slots = 10

type slot struct {
	number            int64
	requests, retries int
}

// BudgetConfig of a Budget. A zero field means its default.
type BudgetConfig struct {
	Share  float64          // retries / requests, 0.2
	Floor  int              // retries in the window that are always allowed, 10; negative for none
	Window time.Duration    // 10 s, moving in tenths
	Now    func() time.Time // time.Now
}

// NewBudget makes an unspent budget.
func NewBudget(c BudgetConfig) *Budget {
	b := &Budget{
		share: cmp.Or(c.Share, 0.2),
		floor: max(cmp.Or(c.Floor, 10), 0),
		width: max(cmp.Or(c.Window, 10*time.Second)/slots, 1),
		now:   c.Now,
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.start = b.now()
	return b
}

// Count notes a request. Its retries are not requests.
func (b *Budget) Count() {
	b.mu.Lock()
	b.current().requests++
	b.mu.Unlock()
}

// Take takes one retry out of the budget, if there is one left.
func (b *Budget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.current()
	requests, retries := 0, 0
	for _, s := range b.ring {
		if s.number > b.newest-slots {
			requests += s.requests
			retries += s.retries
		}
	}
	if retries >= max(b.floor, int(b.share*float64(requests))) {
		return false
	}
	now.retries++
	return true
}

// current is the slot of this moment. Time does not run backwards here.
func (b *Budget) current() *slot {
	b.newest = max(b.newest, int64(b.now().Sub(b.start)/b.width))
	s := &b.ring[b.newest%slots]
	if s.number != b.newest {
		*s = slot{number: b.newest}
	}
	return s
}
