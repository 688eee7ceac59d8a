package payments

import (
	"context"
	"slices"
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/store"
)

// changeset collects what a transaction has to write: the changed payments, the events
// that announce the changes, and the calls to the provider that it leases.
type changeset struct {
	loaded  map[*payment.Payment]*payment.Payment // each as it was before its first change
	touched []*payment.Payment
	pending []event.Pending
	calls   []call
	leases  []store.Lease // of calls
	left    bool          // an operation that is due has no lease
}

// change calls change, which may change p, and adds the event that announces p's state if
// that has changed.
func (c *changeset) change(p *payment.Payment, cause payment.Cause, change func()) {
	if c.loaded == nil {
		c.loaded = map[*payment.Payment]*payment.Payment{}
	}
	if c.loaded[p] == nil {
		c.loaded[p] = p.Clone()
		c.touched = append(c.touched, p)
	}
	before := p.State
	change()
	if p.State == before {
		return
	}
	if payload := payloadOf(p); payload != nil {
		c.pending = append(c.pending, event.Pending{Payload: payload, Cause: envelopeOf(cause)})
	}
}

// changed returns the payments that differ from what is stored.
func (c *changeset) changed() (changed []*payment.Payment) {
	for _, p := range c.touched {
		if p.Version == 0 || !p.Equal(c.loaded[p]) {
			changed = append(changed, p)
		}
	}
	return changed
}

// lease claims those operations of the changed payments that are due, up to room. So the
// transaction that wants a call has the lease for it.
func (c *changeset) lease(room int, now time.Time, newID func() string) {
	for _, p := range c.changed() {
		switch {
		case !p.IsDue(now):
			continue
		case len(c.calls) == room:
			c.left = true
			return
		case len(c.calls)%leaseSize == 0:
			c.leases = append(c.leases, store.Lease{ID: newID(), EndsAt: now.Add(lease)})
		}
		l := &c.leases[len(c.leases)-1]
		l.OrderIDs = append(l.OrderIDs, p.OrderID)
		c.calls = append(c.calls, callOf(p, p.ClaimUnder(l.ID, now, lease)))
	}
}

// leave leaves the operations that are due to dispatch.
func (c *changeset) leave(now time.Time) {
	c.left = slices.ContainsFunc(c.changed(), func(p *payment.Payment) bool { return p.IsDue(now) })
}

// envelopeOf returns what an event needs of the event that caused it; nil if a
// request caused it.
func envelopeOf(c payment.Cause) *event.Envelope {
	if c.EventID == "" {
		return nil
	}
	return &event.Envelope{ID: c.EventID, Traceparent: c.Traceparent}
}

// flush stores the changed payments, adds the events to the outbox, and hands the calls to
// dispatch when tx commits.
func (s *service) flush(ctx context.Context, tx sqldb.Tx, c changeset) error {
	if err := store.AddLeases(ctx, tx, c.leases); err != nil {
		return err
	}
	if err := store.Save(ctx, tx, c.changed()); err != nil {
		return err
	}
	if len(c.calls) > 0 || c.left {
		tx.OnCommit(func() {
			callsLeased.Hit()
			s.calls.handOver(c.calls, c.left)
		})
	}
	return s.Outbox.AddPending(ctx, tx, c.pending...)
}

// payloadOf returns the event that announces the state that a payment has just
// reached; nil if there is none. A success that came too late is not announced: it
// is being undone, and the end of that is announced.
func payloadOf(p *payment.Payment) event.Payload {
	id, order, user, amount := p.ID, p.OrderID, p.UserID, events.Money(p.Amount)
	switch p.State {
	case payment.Declined:
		return events.PaymentDeclined{OrderID: order, UserID: user, PaymentID: id, Amount: amount, Reason: p.Code}
	case payment.Voided:
		return events.PaymentVoided{OrderID: order, UserID: user, PaymentID: id, Amount: amount}
	case payment.Refunded:
		return events.PaymentRefunded{OrderID: order, UserID: user, PaymentID: id, Amount: amount, Reason: p.Reason}
	}
	if p.Goal == payment.GoalUndo {
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
