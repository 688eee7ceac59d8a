package payments

import (
	"context"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/store"
)

// changeset collects what a transaction has to write: the changed payments, and the
// events that announce the changes.
type changeset struct {
	payments []*payment.Payment
	seen     map[string]bool // ids of payments
	pending  []event.Pending
}

// add adds a payment that was changed, and the event that announces its state if
// that has changed. before is its state before the change.
func (c *changeset) add(p *payment.Payment, before payment.State, cause payment.Cause) {
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
	if payload := payloadOf(p); payload != nil {
		c.pending = append(c.pending, event.Pending{Payload: payload, Cause: envelopeOf(cause)})
	}
}

// envelopeOf returns what an event needs of the event that caused it; nil if a
// request caused it.
func envelopeOf(c payment.Cause) *event.Envelope {
	if c.EventID == "" {
		return nil
	}
	return &event.Envelope{ID: c.EventID, Traceparent: c.Traceparent}
}

// flush stores the payments, adds the events to the outbox, and wakes dispatch when
// tx commits.
func (s *service) flush(ctx context.Context, tx sqldb.Tx, c changeset) error {
	if err := store.Save(ctx, tx, c.payments); err != nil {
		return err
	}
	tx.OnCommit(s.due.Notify)
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
