package audit

import (
	"sync"
	"time"
)

const (
	burst     = 300 // refusals that may be recorded in a row
	perSecond = 5   // and then
)

// allowance is a token bucket that counts what it did not permit.
type allowance struct {
	mu      sync.Mutex
	tokens  float64
	filled  time.Time
	leftOut int
}

func newAllowance() *allowance { return &allowance{tokens: burst} }

// take reports whether one more refusal may be recorded now, and how many were left out
// since the last one that was.
func (a *allowance) take(now time.Time) (permitted bool, leftOut int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if elapsed := now.Sub(a.filled); elapsed > 0 {
		a.tokens = min(burst, a.tokens+elapsed.Seconds()*perSecond)
		a.filled = now
	}
	if a.tokens < 1 {
		a.leftOut++
		return false, 0
	}
	a.tokens--
	leftOut, a.leftOut = a.leftOut, 0
	return true, leftOut
}
