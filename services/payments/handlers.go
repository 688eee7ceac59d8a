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

// command is a payment.Command for the payment of one order.
type command struct {
	payment.Command
	orderID string
}

// handle handles the events about orders in a batch, in their order. An order.cancelled is
// a compensation of the order saga: it returns the order's money.
func (s *service) handle(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[event.Payload]) error {
	commands := make([]command, len(rs))
	for i, r := range rs {
		c := command{Command: payment.Command{Cause: causeOf(r.Envelope)}}
		switch o := r.Payload.(type) {
		case events.OrderCreated:
			if o.Total.Amount < 0 {
				return retry.Permanent(fmt.Errorf("order %s has the negative total %d", o.OrderID, o.Total.Amount))
			}
			c.orderID, c.Kind, c.UserID, c.Amount, c.Method = o.OrderID, payment.OrderCreated, o.UserID, money.Money(o.Total), o.PaymentMethod
		case events.OrderConfirmed:
			c.orderID, c.Kind, c.UserID, c.Amount = o.OrderID, payment.OrderConfirmed, o.UserID, money.Money(o.Total)
		case events.OrderCancelled:
			c.orderID, c.Kind, c.UserID, c.Amount, c.Reason = o.OrderID, payment.OrderCancelled, o.UserID, money.Money(o.Total), o.Reason
		}
		commands[i] = c
	}
	return s.execute(ctx, tx, commands)
}

func causeOf(e event.Envelope) payment.Cause {
	return payment.Cause{EventID: e.ID, Traceparent: e.Traceparent}
}

// execute applies commands in their order, stores the payments with a lease for the calls
// that follow, and publishes the events that follow. It reads each payment once, changes it
// in memory, and writes it once, however many commands there are for it.
func (s *service) execute(ctx context.Context, tx sqldb.Tx, commands []command) error {
	orderIDs := make([]string, len(commands))
	for i, c := range commands {
		orderIDs[i] = c.orderID
	}
	payments, err := store.LockOrders(ctx, tx, orderIDs)
	if err != nil {
		return err
	}
	now := s.Now()
	var changes changeset
	for _, c := range commands {
		p := payments[c.orderID]
		if p == nil {
			p = payment.New(s.NewID(), c.orderID, now)
			payments[c.orderID] = p
		}
		changes.change(p, c.Cause, func() { p.Apply(c.Command, now) })
	}
	changes.lease(s.calls.room(), now, s.NewID)
	return s.flush(ctx, tx, changes)
}
