package retry

import (
	"cmp"
	"sync"
	"time"

	"troupe/patterns/internal/rolling"
)

// Budget limits retries to a share of the requests of the recent past, and always
// allows a few, so that callers with little traffic may retry too. Share one
// Budget among everything that calls the same service. It is safe for concurrent
// use.
type Budget struct {
	share float64
	floor int
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	window rolling.Window[traffic]
}

type traffic struct{ requests, retries int }

// BudgetConfig configures a Budget. A zero field means its default.
type BudgetConfig struct {
	Share  float64          // retries / requests, 0.2
	Floor  int              // retries in the window that are always allowed, 10; negative for none
	Window time.Duration    // 10 s, moving in tenths
	Now    func() time.Time // time.Now
}

// NewBudget returns an unspent budget.
func NewBudget(c BudgetConfig) *Budget {
	b := &Budget{
		share:  cmp.Or(c.Share, 0.2),
		floor:  max(cmp.Or(c.Floor, 10), 0),
		window: rolling.Of[traffic](cmp.Or(c.Window, 10*time.Second)),
		now:    c.Now,
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.start = b.now()
	return b
}

// Count records a request. Its retries do not count as requests.
func (b *Budget) Count() {
	b.mu.Lock()
	b.window.Current(b.elapsed()).requests++
	b.mu.Unlock()
}

// Take takes one retry out of the budget and reports whether there was one left.
func (b *Budget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.elapsed()
	var sum traffic
	for t := range b.window.Recent(now) {
		sum.requests += t.requests
		sum.retries += t.retries
	}
	if sum.retries >= max(b.floor, int(b.share*float64(sum.requests))) {
		return false
	}
	b.window.Current(now).retries++
	return true
}

func (b *Budget) elapsed() time.Duration { return b.now().Sub(b.start) }
