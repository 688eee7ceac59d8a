package payments

import (
	"context"
	"errors"
	"math"

	"troupe/platform/sqldb"
	"troupe/services/payments/internal/store"
)

// recordBatch is the most responses that one step records.
const recordBatch = 256

// record records the outcomes of calls that have a response, in one transaction. If
// that fails, the responses stay in the buffer for the next step.
func (s *service) record(ctx context.Context) (did int, err error) {
	batch := s.calls.take(recordBatch)
	if len(batch) == 0 {
		return 0, nil
	}
	responsesTaken.Hit()
	committed := false
	defer func() {
		if !committed { // an error or a panic
			s.calls.putBack(batch)
		}
	}()
	if err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return s.recordIn(ctx, tx, batch) }); err != nil {
		return 0, err
	}
	committed = true
	s.calls.end(callsOf(batch))
	outcomesRecorded.Hit()
	return len(batch), nil
}

// recordIn locks the payments of the calls, records the outcomes, and publishes what
// follows from them.
func (s *service) recordIn(ctx context.Context, tx sqldb.Tx, batch []answered) error {
	calls := callsOf(batch)
	if err := store.DropLeases(ctx, tx, s.calls.lastOf(calls)); err != nil {
		return err
	}
	payments, err := store.LockOrders(ctx, tx, ordersOf(calls))
	if err != nil {
		return err
	}
	now := s.Now()
	var changes changeset
	for _, a := range batch {
		if p := payments[a.orderID]; p != nil {
			changes.change(p, a.Cause, func() { p.Answered(a.Call, a.response, now) })
		}
	}
	changes.leave(now)
	return s.flush(ctx, tx, changes)
}

// drain hands back the calls that were not made and records the responses that arrived
// after the last step of record, when the service stops. After a failure the leases expire,
// and the provider is asked again.
func (s *service) drain(ctx context.Context) error {
	leased, expired := s.calls.next(math.MaxInt, s.Now())
	err := s.handBack(ctx, append(leased, expired...))
	for {
		did, failed := s.record(ctx)
		if did == 0 || failed != nil {
			return errors.Join(err, failed)
		}
	}
}

// handBack ends the leases of calls that are not made, so that other replicas need not
// wait for their end.
func (s *service) handBack(ctx context.Context, calls []call) error {
	if len(calls) == 0 {
		return nil
	}
	defer s.calls.end(calls)
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.DropLeases(ctx, tx, s.calls.lastOf(calls)); err != nil {
			return err
		}
		payments, err := store.LockOrders(ctx, tx, ordersOf(calls))
		if err != nil {
			return err
		}
		changes := changeset{left: true}
		for _, c := range calls {
			if p := payments[c.orderID]; p != nil {
				changes.change(p, c.Cause, func() { p.HandBack(c.Call, s.Now()) })
			}
		}
		return s.flush(ctx, tx, changes)
	})
}
