package orders

import (
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/timeline"
)

// changeset collects what one transaction will store and publish.
type changeset struct {
	now     time.Time
	passed  time.Time // the deadlines up to it have passed
	newID   func() string
	metrics *metrics
	backlog *backlog
	orders  []*order.Order // those that changed
	events  []event.Pending
	counts  []func() // metrics to update after the commit

	decisions []decision // to log after the commit
}

// publish adds an event about an order, and its timeline entry with the sentence.
// by is the service, customer or admin who acted; cause may be nil.
func (c *changeset) publish(o *order.Order, payload event.Payload, sentence, by string, cause *event.Envelope) {
	entry := timeline.Entry{EventID: c.newID(), At: c.now, Type: payload.EventType(), By: by, Detail: sentence}
	if cause != nil {
		entry.Cause = cause.ID
	}
	o.Timeline.Add(entry)
	c.events = append(c.events, event.Pending{ID: entry.EventID, Payload: payload, Cause: cause})
	c.decisions = append(c.decisions, decision{o, entry.Type, cause})
	c.counts = append(c.counts, c.metrics.published.WithLabelValues(payload.EventType(), string(o.Reason)).Inc)
}

// announcement returns the event that announces an outcome, and its sentence for the
// timeline.
func announcement(o *order.Order, outcome order.Outcome) (event.Payload, string) {
	total := events.Money(o.Total)
	switch outcome {
	case order.Confirm:
		return events.OrderConfirmed{OrderID: o.ID, UserID: o.UserID, Total: total}, "Order confirmed"
	case order.Pay:
		return events.OrderPaid{OrderID: o.ID, UserID: o.UserID, Amount: total}, "Order paid"
	default:
		return events.OrderCancelled{OrderID: o.ID, UserID: o.UserID, Total: total, Reason: string(o.Reason)},
			cancelSentences[o.Reason]
	}
}

func orderCreated(o *order.Order) events.OrderCreated {
	lines := make([]events.OrderLine, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = events.OrderLine{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: events.Money(l.UnitPrice)}
	}
	return events.OrderCreated{
		OrderID: o.ID, UserID: o.UserID, Lines: lines, Total: events.Money(o.Total), PaymentMethod: o.PaymentMethod,
	}
}
