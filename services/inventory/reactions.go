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

// step is one thing that happened to one order.
type step struct {
	orderID string
	wants   []stock.Line    // if it brings lines that the reservation does not know yet
	reason  string          // why, for a release
	cause   *event.Envelope // nil if time did it
	take    func(*stock.Reservation, *stock.Shelf) stock.Outcome
}

func (s *service) orderCreated(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderCreated]) error {
	expires := s.now().Add(s.holdExpiry)
	steps := make([]step, len(rs))
	for i, r := range rs {
		lines, err := linesOf(r.Payload)
		if err != nil {
			return retry.Permanent(err)
		}
		steps[i] = step{
			orderID: r.Payload.OrderID, wants: lines, cause: &r.Envelope,
			take: func(res *stock.Reservation, shelf *stock.Shelf) stock.Outcome {
				return res.Created(lines, shelf, expires)
			},
		}
	}
	return s.take(ctx, tx, steps)
}

func (s *service) orderConfirmed(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderConfirmed]) error {
	steps := make([]step, len(rs))
	for i, r := range rs {
		steps[i] = step{orderID: r.Payload.OrderID, cause: &r.Envelope, take: (*stock.Reservation).Confirmed}
	}
	return s.take(ctx, tx, steps)
}

func (s *service) orderCancelled(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.OrderCancelled]) error {
	steps := make([]step, len(rs))
	for i, r := range rs {
		steps[i] = step{orderID: r.Payload.OrderID, reason: r.Payload.Reason, cause: &r.Envelope, take: (*stock.Reservation).Cancelled}
	}
	return s.take(ctx, tx, steps)
}

// expireHolds is the backstop behind the deadline of orders.
func (s *service) expireHolds(ctx context.Context) (did int, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.TakeTurn(ctx, tx); err != nil {
			return err
		}
		now := s.now()
		ids, err := store.Overdue(ctx, tx, now, 100)
		if err != nil {
			return err
		}
		steps := make([]step, len(ids))
		for i, id := range ids {
			steps[i] = step{
				orderID: id, reason: "expired",
				take: func(res *stock.Reservation, shelf *stock.Shelf) stock.Outcome {
					return res.Expire(shelf, now)
				},
			}
		}
		did = len(steps)
		return s.take(ctx, tx, steps)
	})
	return did, err
}

// take carries out steps in their order: every row that they touch is read once,
// changed in memory, and written once, however many orders there are.
func (s *service) take(ctx context.Context, tx sqldb.Tx, steps []step) error {
	if len(steps) == 0 {
		return nil
	}
	if err := store.TakeTurn(ctx, tx); err != nil {
		return err
	}
	reservations, err := store.Reservations(ctx, tx, ordersOf(steps))
	if err != nil {
		return err
	}
	shelf, err := store.Shelf(ctx, tx, productsOf(steps, reservations))
	if err != nil {
		return err
	}
	changed, drafts := play(steps, reservations, shelf)
	if err := store.SaveReservations(ctx, tx, changed); err != nil {
		return err
	}
	levels, stockDrafts := changesOf(shelf, steps[len(steps)-1].cause)
	if err := store.SaveLevels(ctx, tx, levels...); err != nil {
		return err
	}
	inventoryMoved.Hit()
	return s.outbox.AddPending(ctx, tx, append(drafts, stockDrafts...)...)
}

// play changes reservations and shelf, and gives those that changed and what
// there is to say about them.
func play(steps []step, reservations map[string]*stock.Reservation, shelf *stock.Shelf) (changed []*stock.Reservation, drafts []event.Pending) {
	seen := make(map[string]bool)
	for _, st := range steps {
		r := reservations[st.orderID]
		before := r.State
		out := st.take(r, shelf)
		if r.State != before && !seen[r.OrderID] {
			seen[r.OrderID] = true
			changed = append(changed, r)
		}
		if fact := factOf(r.OrderID, out, st.reason); fact != nil {
			drafts = append(drafts, event.Pending{Payload: fact, Cause: st.cause})
		}
	}
	return changed, drafts
}

// changesOf gives the levels to store and one stock.changed for each product of
// which more or fewer can be ordered now.
func changesOf(shelf *stock.Shelf, cause *event.Envelope) (levels []stock.Level, drafts []event.Pending) {
	for _, c := range shelf.Changes() {
		levels = append(levels, c.Level)
		if c.Available != c.AvailableBefore {
			fact := events.StockChanged{SKU: c.SKU, Available: c.Available, Version: c.Version}
			drafts = append(drafts, event.Pending{Payload: fact, Cause: cause})
		}
	}
	return levels, drafts
}

func factOf(orderID string, out stock.Outcome, reason string) event.Payload {
	switch out.State {
	case stock.Held:
		return events.StockReserved{OrderID: orderID, Lines: stockLines(out.Lines)}
	case stock.Rejected:
		return events.StockRejected{OrderID: orderID, Short: shortages(out.Short)}
	case stock.Committed:
		return events.StockCommitted{OrderID: orderID, Lines: stockLines(out.Lines)}
	case stock.Expired, stock.Released:
		return events.StockReleased{OrderID: orderID, Lines: stockLines(out.Lines), Reason: reason}
	default:
		return nil
	}
}

func ordersOf(steps []step) []string {
	ids := make([]string, len(steps))
	for i, st := range steps {
		ids[i] = st.orderID
	}
	return ids
}

func productsOf(steps []step, reservations map[string]*stock.Reservation) []string {
	var skus []string
	for _, st := range steps {
		for _, l := range st.wants {
			skus = append(skus, l.SKU)
		}
		for _, l := range reservations[st.orderID].Lines {
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
