package payments

import (
	"context"
	"errors"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

const (
	claimBatch = 256
	// maxInFlight limits the calls that are leased and not recorded. It bounds the
	// memory that they take while the provider is slow or the database is away. The
	// operations beyond it wait in the database.
	maxInFlight = 4096
	// lease is how long a replica has for a call and for recording its outcome. When
	// it expires, any replica claims the operation and asks the provider. It is much
	// longer than any call takes.
	lease = 30 * time.Second
	// leaseSize is how many operations are claimed under one lease, at most.
	leaseSize = 50
	// lookInterval is how often a busy dispatch looks for operations without a lease.
	lookInterval = time.Second
)

// dispatch makes the calls that transactions of this replica have leased and claims other
// due operations. It calls the provider outside of any transaction. The responses arrive
// in s.calls: some before dispatch returns, the slow ones later. If this process dies, the
// leases expire, and the next claim asks the provider.
func (s *service) dispatch(ctx context.Context) (did int, err error) {
	now := s.Now()
	calls, expired := s.calls.next(claimBatch, now)
	err = s.handBack(ctx, expired)
	claimed, failed := s.claimLeft(ctx, now, len(calls) > 0)
	calls = append(calls, claimed...)
	requests := make([]provider.Request, len(calls))
	for i, c := range calls {
		requests[i] = c.request
	}
	ctx, spans := startSpans(ctx, calls)
	s.provider.Submit(ctx, requests, func(i int, r provider.Response) {
		endSpan(spans[i], r)
		s.answers.WithLabelValues(string(requests[i].Kind), outcomeNames[r.Outcome]).Inc()
		if r.Outcome == provider.TimedOut {
			s.Log.InfoContext(ctx, "the payment provider has not answered; it is asked later what became of the call",
				"order_id", calls[i].orderID, "call", requests[i].Kind)
		}
		s.calls.put(answered{calls[i], payment.Response{Outcome: outcomes[r.Outcome], Code: r.Code}})
	})
	return len(calls), errors.Join(err, failed)
}

// claimLeft claims operations without a lease if there is room for more calls. If dispatch
// is busy, it does so once in lookInterval, unless a transaction has left some.
func (s *service) claimLeft(ctx context.Context, now time.Time, busy bool) ([]call, error) {
	looked := now.Sub(s.looked)
	limit := min(claimBatch, s.calls.free())
	if limit == 0 || busy && !s.calls.hasLeft() && looked >= 0 && looked < lookInterval {
		return nil, nil
	}
	s.looked = now
	s.calls.setLeft(false)
	claimed, err := s.claim(ctx, limit)
	if err != nil {
		return nil, err
	}
	s.calls.expect(len(claimed), len(claimed) >= limit)
	return claimed, nil
}

// outcomes are the provider's outcomes in the words of package payment, which does
// not depend on a provider.
var outcomes = map[provider.Outcome]payment.Outcome{
	provider.TimedOut: payment.TimedOut,
	provider.NotFound: payment.NotFound,
	provider.Approved: payment.Approved,
	provider.Rejected: payment.Rejected,
}

// claim leases up to limit due operations and returns the calls to make.
func (s *service) claim(ctx context.Context, limit int) (calls []call, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		calls = nil
		now := s.Now()
		ended, err := store.Ended(ctx, tx, now, max(1, limit/leaseSize))
		if err != nil {
			return err
		}
		due, err := store.Due(ctx, tx, now, max(0, limit-len(ended)))
		if err != nil {
			return err
		}
		due = append(due, ended...)
		for _, p := range due {
			calls = append(calls, callOf(p, p.Claim(now, lease)))
		}
		return store.Save(ctx, tx, due)
	})
	return calls, err
}
