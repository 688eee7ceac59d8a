package orders

import (
	"context"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/store"
)

const (
	// retentionBatch is how many orders retention looks at in a step, and retentionEvery the
	// time between two steps: 2,500 orders a second, so that it falls behind no load and takes
	// little from one.
	retentionBatch = 500
	retentionEvery = 200 * time.Millisecond
	// retentionRest is how long retention rests after it has looked at all orders that are old
	// enough.
	retentionRest = 6 * time.Hour
)

// retention deletes the timelines of orders that were finished long ago. It goes through
// the orders in the order in which they were placed, again and again.
type retention struct {
	last  string    // the id of the last order that it has looked at
	until time.Time // when it goes on
}

// forgetTimelines looks at some orders. It returns 0, so that the next step is not at once.
func (s *service) forgetTimelines(ctx context.Context) (int, error) {
	now := s.Now()
	if s.TimelineKeep == 0 || now.Before(s.retention.until) {
		return 0, nil
	}
	var last string
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		last, _, err = store.ForgetTimelines(ctx, tx, s.retention.last, now.Add(-s.TimelineKeep), retentionBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	if s.retention.last = last; last == "" {
		s.retention.until = now.Add(retentionRest)
	}
	return 0, nil
}
