package payments

import (
	"context"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

const (
	claimBatch = 256
	// maxInFlight limits the calls that are claimed and not recorded. It bounds the
	// memory that they take while the provider is slow or the database is away.
	maxInFlight = 1024
	// lease is how long a replica has for a call and for recording its outcome. When
	// it expires, any replica claims the operation and asks the provider. It is much
	// longer than any call takes.
	lease = 30 * time.Second
)

// call is one call to the provider.
type call struct {
	orderID string
	payment.Call
	request provider.Request
}

// dispatch claims due operations and calls the provider for them, outside of any
// transaction. The responses arrive in s.responses: some before dispatch returns,
// the slow ones later. If this process dies, the leases expire, and the next claim
// asks the provider.
func (s *service) dispatch(ctx context.Context) (did int, err error) {
	limit := min(claimBatch, maxInFlight-s.responses.inFlight())
	if limit <= 0 {
		return 0, nil
	}
	calls, err := s.claim(ctx, limit)
	if err != nil {
		return 0, err
	}
	requests := make([]provider.Request, len(calls))
	for i, c := range calls {
		requests[i] = c.request
	}
	s.responses.expect(len(calls))
	s.provider.Submit(ctx, requests, func(i int, r provider.Response) {
		s.responses.put(answered{calls[i], payment.Response{Outcome: outcomes[r.Outcome], Code: r.Code}})
	})
	return len(calls), nil
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
		due, err := store.Due(ctx, tx, now, limit)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, p := range due {
			c := p.Claim(now, lease)
			calls = append(calls, call{orderID: p.OrderID, Call: c, request: provider.Request{
				Kind: provider.Kind(c.Kind), Key: c.Key, Charge: p.ID, Amount: p.Amount, Method: p.Method, Ask: c.Ask,
			}})
		}
		return store.Save(ctx, tx, due)
	})
	return calls, err
}
