package payments

import (
	"context"

	"troupe/platform/sqldb"
	"troupe/services/payments/internal/store"
)

// recordBatch is the most responses that one step records.
const recordBatch = 256

// record records the outcomes of calls that have a response, in one transaction. If
// that fails, the responses stay in the buffer for the next step.
func (s *service) record(ctx context.Context) (did int, err error) {
	batch := s.responses.take(recordBatch)
	if len(batch) == 0 {
		return 0, nil
	}
	responsesTaken.Hit()
	committed := false
	defer func() {
		if !committed { // an error or a panic
			s.responses.putBack(batch)
		}
	}()
	if err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return s.recordIn(ctx, tx, batch) }); err != nil {
		return 0, err
	}
	committed = true
	s.responses.recorded(len(batch))
	s.due.Notify() // there is room for more calls
	outcomesRecorded.Hit()
	return len(batch), nil
}

// recordIn locks the payments of the calls, records the outcomes, and publishes what
// follows from them.
func (s *service) recordIn(ctx context.Context, tx sqldb.Tx, batch []answered) error {
	orderIDs := make([]string, len(batch))
	for i, a := range batch {
		orderIDs[i] = a.orderID
	}
	payments, err := store.LockOrders(ctx, tx, orderIDs)
	if err != nil {
		return err
	}
	now := s.Now()
	var changes changeset
	for _, a := range batch {
		if p := payments[a.orderID]; p != nil {
			before := p.State
			p.Answered(a.Call, a.response, now)
			changes.add(p, before, a.Cause)
		}
	}
	return s.flush(ctx, tx, changes)
}

// recordRest records the responses that arrived after the last step of record, when
// the service stops. After a failure the leases of the calls expire, and the provider is
// asked again.
func (s *service) recordRest(ctx context.Context) error {
	for {
		if did, err := s.record(ctx); did == 0 || err != nil {
			return err
		}
	}
}
