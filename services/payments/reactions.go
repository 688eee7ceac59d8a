package payments

import (
	"context"
	"fmt"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/retry"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/store"
)

// step is one thing that happened to one order.
type step struct {
	orderID string
	cause   *event.Envelope
	take    func(*payment.Payment)
}

func (s *service) orderCreated(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderCreated]) error {
	now := s.now()
	steps := make([]step, len(rs))
	for i, r := range rs {
		f := r.Payload
		if f.Total.Amount < 0 {
			return retry.Permanent(fmt.Errorf("order %s has a total of %d, less than nothing", f.OrderID, f.Total.Amount))
		}
		steps[i] = step{f.OrderID, &r.Envelope, func(p *payment.Payment) {
			p.Created(f.UserID, money.Money(f.Total), f.PaymentMethod, now)
		}}
	}
	return s.take(ctx, tx, steps)
}

func (s *service) orderConfirmed(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderConfirmed]) error {
	now := s.now()
	steps := make([]step, len(rs))
	for i, r := range rs {
		f := r.Payload
		steps[i] = step{f.OrderID, &r.Envelope, func(p *payment.Payment) {
			p.Confirmed(f.UserID, money.Money(f.Total), now)
		}}
	}
	return s.take(ctx, tx, steps)
}

func (s *service) orderCancelled(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderCancelled]) error {
	now := s.now()
	steps := make([]step, len(rs))
	for i, r := range rs {
		f := r.Payload
		steps[i] = step{f.OrderID, &r.Envelope, func(p *payment.Payment) {
			p.Cancelled(f.UserID, money.Money(f.Total), f.Reason, now)
		}}
	}
	return s.take(ctx, tx, steps)
}

// take carries out steps in their order: each payment is read once, changed in
// memory, and written once.
func (s *service) take(ctx context.Context, tx sqldb.Tx, steps []step) error {
	orderIDs := make([]string, len(steps))
	for i, st := range steps {
		orderIDs[i] = st.orderID
	}
	payments, err := store.LockOrders(ctx, tx, orderIDs)
	if err != nil {
		return err
	}
	var c changes
	for _, st := range steps {
		p := payments[st.orderID]
		if p == nil {
			p = payment.New(s.newID(), st.orderID, s.now())
			payments[st.orderID] = p
		}
		c.apply(p, payment.Cause{EventID: st.cause.ID, Traceparent: st.cause.Traceparent}, st.take)
	}
	return s.commit(ctx, tx, c)
}

// changes are payments to be stored and what there is to say about them.
type changes struct {
	payments []*payment.Payment
	seen     map[string]bool
	drafts   []event.Pending
}

// apply changes p and notes what it has come to. An operation that this opens
// remembers the cause.
func (c *changes) apply(p *payment.Payment, cause payment.Cause, change func(*payment.Payment)) {
	before := p.State
	change(p)
	if open := p.Open(); open != nil && open.Cause == (payment.Cause{}) {
		open.Cause = cause
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	if !c.seen[p.ID] {
		c.seen[p.ID] = true
		c.payments = append(c.payments, p)
	}
	if p.State == before {
		return
	}
	if fact := factOf(p); fact != nil {
		c.drafts = append(c.drafts, event.Pending{Payload: fact, Cause: eventOf(cause)})
	}
}

// eventOf gives what a later event tells of its cause; nil if a request did it.
func eventOf(c payment.Cause) *event.Envelope {
	if c.EventID == "" {
		return nil
	}
	return &event.Envelope{ID: c.EventID, Traceparent: c.Traceparent}
}

func (s *service) commit(ctx context.Context, tx sqldb.Tx, c changes) error {
	if err := store.Save(ctx, tx, c.payments); err != nil {
		return err
	}
	tx.OnCommit(s.mailbox.bell.Notify)
	return s.outbox.AddPending(ctx, tx, c.drafts...)
}

// factOf is what there is to say about a payment that has just come to its
// state. A success that came too late is not announced: it is being undone, and
// the end of that is.
func factOf(p *payment.Payment) event.Payload {
	id, order, user, amount := p.ID, p.OrderID, p.UserID, events.Money(p.Amount)
	tooLate := p.Goal == payment.Undo
	switch p.State {
	case payment.Declined:
		return events.PaymentDeclined{OrderID: order, UserID: user, PaymentID: id, Amount: amount, Reason: p.Code}
	case payment.Voided:
		return events.PaymentVoided{OrderID: order, UserID: user, PaymentID: id, Amount: amount}
	case payment.Refunded:
		return events.PaymentRefunded{OrderID: order, UserID: user, PaymentID: id, Amount: amount, Reason: p.Reason}
	}
	if tooLate {
		return nil
	}
	switch p.State {
	case payment.Authorized:
		return events.PaymentAuthorized{OrderID: order, UserID: user, PaymentID: id, Amount: amount}
	case payment.Captured:
		return events.PaymentCaptured{OrderID: order, UserID: user, PaymentID: id, Amount: amount}
	case payment.CaptureFailed:
		return events.PaymentCaptureFailed{OrderID: order, UserID: user, PaymentID: id, Amount: amount, Reason: p.Code}
	default:
		return nil
	}
}
