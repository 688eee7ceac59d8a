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

func (s *service) orderCreated(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderCreated]) error {
	commands := make([]command, len(rs))
	for i, r := range rs {
		o := r.Payload
		if o.Total.Amount < 0 {
			return retry.Permanent(fmt.Errorf("order %s has the negative total %d", o.OrderID, o.Total.Amount))
		}
		commands[i] = command{orderID: o.OrderID, Command: payment.Command{
			Kind: payment.OrderCreated, UserID: o.UserID, Amount: money.Money(o.Total), Method: o.PaymentMethod, Cause: causeOf(r.Envelope),
		}}
	}
	return s.execute(ctx, tx, commands)
}

func (s *service) orderConfirmed(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderConfirmed]) error {
	commands := make([]command, len(rs))
	for i, r := range rs {
		o := r.Payload
		commands[i] = command{orderID: o.OrderID, Command: payment.Command{
			Kind: payment.OrderConfirmed, UserID: o.UserID, Amount: money.Money(o.Total), Cause: causeOf(r.Envelope),
		}}
	}
	return s.execute(ctx, tx, commands)
}

// orderCancelled is a compensation of the order saga: it returns the order's money.
func (s *service) orderCancelled(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderCancelled]) error {
	commands := make([]command, len(rs))
	for i, r := range rs {
		o := r.Payload
		commands[i] = command{orderID: o.OrderID, Command: payment.Command{
			Kind: payment.OrderCancelled, UserID: o.UserID, Amount: money.Money(o.Total), Reason: o.Reason, Cause: causeOf(r.Envelope),
		}}
	}
	return s.execute(ctx, tx, commands)
}

func causeOf(e event.Envelope) payment.Cause {
	return payment.Cause{EventID: e.ID, Traceparent: e.Traceparent}
}

// execute applies commands in their order, stores the payments, and publishes the
// events that follow. It reads each payment once, changes it in memory, and writes
// it once, however many commands there are for it.
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
		before := p.State
		p.Apply(c.Command, now)
		changes.add(p, before, c.Cause)
	}
	return s.flush(ctx, tx, changes)
}
