package inventory

import (
	"context"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/retry"
	"troupe/platform/sqldb"
	"troupe/services/inventory/internal/stock"
	"troupe/services/inventory/internal/store"
)

// command is a stock.Command for the reservation of one order, with what the
// resulting event needs.
type command struct {
	stock.Command
	orderID string
	reason  string          // why stock is released
	cause   *event.Envelope // nil if the clock caused it
}

// expired is the reason of a stock.released that no event caused.
const expired = "expired"

// handle handles the events about orders in a batch, in their order. An order.cancelled is
// a compensation of the order saga: it returns the order's stock.
func (s *service) handle(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[event.Payload]) error {
	expires := s.Now().Add(s.HoldExpiry)
	commands := make([]command, len(rs))
	for i, r := range rs {
		c := command{cause: &r.Envelope}
		switch o := r.Payload.(type) {
		case events.OrderCreated:
			lines, err := linesOf(o)
			if err != nil {
				return retry.Permanent(err)
			}
			c.orderID, c.Command = o.OrderID, stock.Command{Kind: stock.Reserve, Lines: lines, ExpiresAt: expires}
		case events.OrderConfirmed:
			c.orderID, c.Command = o.OrderID, stock.Command{Kind: stock.Commit}
		case events.OrderCancelled:
			c.orderID, c.Command, c.reason = o.OrderID, stock.Command{Kind: stock.Release}, o.Reason
		}
		commands[i] = c
	}
	return s.execute(ctx, tx, commands)
}

// expireHolds releases holds whose orders were not decided in time. It is the
// backstop behind the deadline of the orders service. Time in which this service did not
// run does not count.
func (s *service) expireHolds(ctx context.Context) (did int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.LockStock(ctx, tx); err != nil {
			return err
		}
		passed := s.clock.Passed(s.Now())
		ids, err := store.Overdue(ctx, tx, passed, 100)
		if err != nil {
			return err
		}
		commands := make([]command, len(ids))
		for i, id := range ids {
			commands[i] = command{Command: stock.Command{Kind: stock.Expire, Passed: passed}, orderID: id, reason: expired}
		}
		did = len(commands)
		return s.execute(ctx, tx, commands)
	})
	return did, err
}

// execute applies commands in their order, stores the changes, and publishes the
// events that follow. However many orders there are, it reads each affected row
// once, changes it in memory, and writes it once.
func (s *service) execute(ctx context.Context, tx sqldb.Tx, commands []command) error {
	if len(commands) == 0 {
		return nil
	}
	if err := store.LockStock(ctx, tx); err != nil {
		return err
	}
	reservations, err := store.Reservations(ctx, tx, ordersOf(commands))
	if err != nil {
		return err
	}
	levels, err := store.Levels(ctx, tx, productsOf(commands, reservations))
	if err != nil {
		return err
	}
	changed, pending := applyAll(commands, reservations, levels)
	if err := store.SaveReservations(ctx, tx, changed); err != nil {
		return err
	}
	changedLevels, stockPending := changesOf(levels, commands[len(commands)-1].cause)
	if err := store.SaveLevels(ctx, tx, changedLevels...); err != nil {
		return err
	}
	inventoryMoved.Hit()
	return s.Outbox.AddPending(ctx, tx, append(pending, stockPending...)...)
}

// applyAll applies commands to reservations and levels. It returns the
// reservations that changed and the events to publish.
func applyAll(commands []command, reservations map[string]*stock.Reservation, levels *stock.Levels) (changed []*stock.Reservation, pending []event.Pending) {
	seen := make(map[string]bool)
	for _, c := range commands {
		r := reservations[c.orderID]
		before := r.State
		outcome := r.Apply(c.Command, levels)
		if r.State != before && !seen[r.OrderID] {
			seen[r.OrderID] = true
			changed = append(changed, r)
		}
		if payload := payloadOf(r.OrderID, outcome, c.reason); payload != nil {
			pending = append(pending, event.Pending{Payload: payload, Cause: c.cause})
		}
	}
	return changed, pending
}

// changesOf returns the levels to store, and one stock.changed for each product of
// which the available number has changed.
func changesOf(levels *stock.Levels, cause *event.Envelope) (changed []stock.Level, pending []event.Pending) {
	for _, c := range levels.Changes() {
		changed = append(changed, c.Level)
		if c.Available != c.AvailableBefore {
			payload := events.StockChanged{SKU: c.SKU, Available: c.Available, Version: c.Version}
			pending = append(pending, event.Pending{Payload: payload, Cause: cause})
		}
	}
	return changed, pending
}

// payloadOf returns the event that announces an outcome; nil if there is none.
func payloadOf(orderID string, outcome stock.Outcome, reason string) event.Payload {
	switch outcome.State {
	case stock.Held:
		return events.StockReserved{OrderID: orderID, Lines: stockLines(outcome.Lines)}
	case stock.Rejected:
		return events.StockRejected{OrderID: orderID, Short: shortages(outcome.Short)}
	case stock.Committed:
		return events.StockCommitted{OrderID: orderID, Lines: stockLines(outcome.Lines)}
	case stock.Expired, stock.Released:
		return events.StockReleased{OrderID: orderID, Lines: stockLines(outcome.Lines), Reason: reason}
	default:
		return nil
	}
}

func ordersOf(commands []command) []string {
	ids := make([]string, len(commands))
	for i, c := range commands {
		ids[i] = c.orderID
	}
	return ids
}

// productsOf returns the SKUs of all products that commands may move: those that
// new orders want, and those that the reservations hold already.
func productsOf(commands []command, reservations map[string]*stock.Reservation) []string {
	var skus []string
	for _, c := range commands {
		for _, l := range c.Lines {
			skus = append(skus, l.SKU)
		}
		for _, l := range reservations[c.orderID].Lines {
			skus = append(skus, l.SKU)
		}
	}
	return skus
}

func linesOf(o events.OrderCreated) ([]stock.Line, error) {
	lines := make([]stock.Line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = stock.Line{SKU: l.SKU, Quantity: l.Quantity}
	}
	return stock.Merge(lines)
}

func stockLines(lines []stock.Line) []events.StockLine {
	out := make([]events.StockLine, len(lines))
	for i, l := range lines {
		out[i] = events.StockLine(l)
	}
	return out
}

func shortages(short []stock.Shortage) []events.Shortage {
	out := make([]events.Shortage, len(short))
	for i, s := range short {
		out[i] = events.Shortage(s)
	}
	return out
}
