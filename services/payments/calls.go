package payments

import (
	"context"
	"sync"
	"time"

	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

const (
	claimBatch = 256
	// mostUnanswered bounds the calls that wait for a slow provider.
	mostUnanswered = 1024
	// lease is how long a replica has for a call. When it is over others take the
	// call up and ask. It is much longer than any call takes.
	lease = 30 * time.Second
)

// call is one call to the provider, and its answer once there is one.
type call struct {
	orderID string
	payment.Call
	request provider.Request
	answer  payment.Answer
}

// callProvider claims what is due, calls, and records what has been answered, of
// these calls and of earlier ones. If this process dies anywhere on the way,
// the lease ends and the next one asks.
func (s *service) callProvider(ctx context.Context) (did int, err error) {
	calls, err := s.claim(ctx, min(claimBatch, mostUnanswered-s.mailbox.unanswered()))
	if err != nil {
		return 0, err
	}
	requests := make([]provider.Request, len(calls))
	for i, c := range calls {
		requests[i] = c.request
	}
	s.mailbox.sent(len(calls))
	s.provider.Submit(ctx, requests, func(i int, a provider.Answer) {
		c := calls[i]
		c.answer = payment.Answer{Outcome: outcomes[a.Outcome], Code: a.Code}
		s.mailbox.put(c)
	})
	answered := s.mailbox.take()
	if err := s.record(ctx, answered); err != nil {
		s.mailbox.putBack(answered)
		return 0, err
	}
	return len(calls) + len(answered), nil
}

var outcomes = map[provider.Outcome]payment.Outcome{
	provider.TimedOut: payment.TimedOut,
	provider.Absent:   payment.Absent,
	provider.Done:     payment.Done,
	provider.Denied:   payment.Denied,
}

func (s *service) claim(ctx context.Context, limit int) (calls []call, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		calls = nil
		now := s.now()
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

// record takes in the answers, all in one transaction.
func (s *service) record(ctx context.Context, calls []call) error {
	if len(calls) == 0 {
		return nil
	}
	paymentsAnswered.Hit()
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return s.recordIn(ctx, tx, calls) })
	paymentsRecorded.Hit()
	return err
}

func (s *service) recordIn(ctx context.Context, tx sqldb.Tx, calls []call) error {
	ids := make([]string, len(calls))
	for i, c := range calls {
		ids[i] = c.orderID
	}
	payments, err := store.LockOrders(ctx, tx, ids)
	if err != nil {
		return err
	}
	now := s.now()
	var changed changes
	for _, c := range calls {
		if p := payments[c.orderID]; p != nil {
			changed.apply(p, c.Cause, func(p *payment.Payment) { p.Answered(c.Call, c.answer, now) })
		}
	}
	return s.commit(ctx, tx, changed)
}

// mailbox is where answers of the provider wait to be recorded.
type mailbox struct {
	bell worker.Notifier // rung when something is due or has arrived

	mu      sync.Mutex
	arrived []call
	waiting int // calls without an answer
}

func newMailbox() *mailbox { return &mailbox{bell: worker.NewNotifier()} }

func (m *mailbox) sent(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting += n
}

func (m *mailbox) unanswered() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting
}

func (m *mailbox) put(c call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting--
	m.arrived = append(m.arrived, c)
	m.bell.Notify()
}

func (m *mailbox) take() []call {
	m.mu.Lock()
	defer m.mu.Unlock()
	arrived := m.arrived
	m.arrived = nil
	return arrived
}

// putBack keeps answers that could not be recorded for the next time.
func (m *mailbox) putBack(calls []call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrived = append(calls, m.arrived...)
}
