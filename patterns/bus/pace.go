package bus

import (
	"context"
	"time"

	"troupe/patterns/retry"
)

// largeBatch is how many deliveries are enough for a batch that does not wait.
const largeBatch = 128

// Paced returns h for a consumer whose work is not urgent: it begins a batch at the earliest
// an interval after the one before, so that more deliveries gather in the next one and share
// its transaction. The first batch after a quiet time begins at once, and so does a large
// one. A delivery waits at most twice the interval for it.
func Paced(h BatchHandler, interval time.Duration) BatchHandler {
	var began time.Time
	return func(ctx context.Context, batch []Delivery) error {
		if len(batch) == 0 {
			return h(ctx, batch)
		}
		if wait := interval - time.Since(began); wait > 0 && len(batch) < largeBatch {
			_ = retry.Sleep(ctx, wait) // the handler checks ctx
		}
		began = time.Now()
		return h(ctx, batch)
	}
}
