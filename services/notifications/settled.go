package notifications

import (
	"context"
	"fmt"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

// settled is a delivery in the state in which a sender leaves it.
type settled struct {
	store.Delivery
	attempt *delivery.Attempt // how the attempt ended; nil if there was none
}

// recordSettled stores outcomes with their attempts, and publishes their events. It returns the
// ids of the deliveries that it has stored. It leaves out those whose account was deleted
// meanwhile, or whose lease ended.
func (s *service) recordSettled(ctx context.Context, tx sqldb.Tx, leaseID string, outcomes []settled) (held map[string]bool, err error) {
	now := s.Now()
	deliveries := make([]store.Delivery, len(outcomes))
	for i, o := range outcomes {
		deliveries[i] = o.Delivery
	}
	if held, err = store.Settle(ctx, tx, leaseID, deliveries, now); err != nil {
		return nil, err
	}
	var attempts []store.Attempt
	var pending []event.Pending
	for _, o := range outcomes {
		if !held[o.ID] {
			continue
		}
		if o.attempt != nil {
			attempts = append(attempts, store.Attempt{DeliveryID: o.ID, N: o.Attempts, Attempt: *o.attempt, EndedAt: now})
		}
		if payload := outcomeEvent(o.Delivery); payload != nil {
			pending = append(pending, event.Pending{Payload: payload, Cause: &event.Envelope{ID: o.EventID, Traceparent: o.Traceparent}})
		}
	}
	if err := store.AddAttempts(ctx, tx, attempts); err != nil {
		return nil, err
	}
	return held, s.Outbox.AddPending(ctx, tx, pending...)
}

// outcomeEvent returns the event about the final state of a delivery; nil if its state
// is not final.
func outcomeEvent(d store.Delivery) event.Payload {
	switch {
	case d.State == delivery.Sent:
		return events.NotificationSent{DeliveryID: d.ID, UserID: d.UserID, OrderID: d.OrderID, Kind: d.Kind, Channel: d.Channel}
	case d.State.Final():
		return notificationFailed(d)
	}
	return nil
}

func notificationFailed(d store.Delivery) events.NotificationFailed {
	return events.NotificationFailed{
		DeliveryID: d.ID, UserID: d.UserID, OrderID: d.OrderID, Kind: d.Kind, Channel: d.Channel,
		Reason: fmt.Sprintf("%s: %s", d.State, d.Reply),
	}
}
