package orders

import (
	"context"
	"fmt"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

// decideRecorded is a step of the decider: it applies events that were recorded and
// decides what follows.
func (s *service) decideRecorded(ctx context.Context) (int, error) {
	return s.processClaimed(ctx, func(ctx context.Context, tx sqldb.Tx) ([]*order.Order, error) {
		return store.ClaimRecorded(ctx, tx, knownTypes)
	})
}

// cancelOverdue is a step of the deadlines worker: it cancels pending orders whose
// deadline has passed.
func (s *service) cancelOverdue(ctx context.Context) (int, error) {
	return s.processClaimed(ctx, func(ctx context.Context, tx sqldb.Tx) ([]*order.Order, error) {
		return store.ClaimOverdue(ctx, tx, s.Now())
	})
}

// claim reads and locks a batch of orders that no other transaction has locked.
type claim func(context.Context, sqldb.Tx) ([]*order.Order, error)

// processClaimed claims a batch of orders and processes it in one transaction. It
// returns how many orders it claimed.
func (s *service) processClaimed(ctx context.Context, claim claim) (claimed int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		orders, err := claim(ctx, tx)
		if err != nil {
			return fmt.Errorf("claim orders: %w", err)
		}
		claimed = len(orders)
		return s.process(ctx, tx, orders, nil)
	})
	return claimed, err
}

// mutation is what a request does to an order.
type mutation func(*changeset, *order.Order) error

// process applies the recorded events of orders, then m (unless it is nil), decides
// what follows, and stores and publishes it all. The caller has locked the orders.
func (s *service) process(ctx context.Context, tx sqldb.Tx, orders []*order.Order, m mutation) error {
	if len(orders) == 0 {
		return nil
	}
	recorded, err := store.TakeRecorded(ctx, tx, knownTypes, orders)
	if err != nil {
		return fmt.Errorf("read recorded events: %w", err)
	}
	ordersClaimed.Hit()
	changes := &changeset{now: s.Now(), newID: s.NewID, metrics: s.metrics}
	for _, o := range orders {
		if err := changes.process(o, recorded[o.ID], m); err != nil {
			return err
		}
	}
	return s.flush(ctx, tx, changes)
}

// process processes one order; see service.process.
func (c *changeset) process(o *order.Order, recorded []store.Entry, m mutation) error {
	state, forget := o.State, o.Forget
	c.applyFacts(o, recorded)
	if m != nil {
		if err := m(c, o); err != nil {
			return err
		}
	}
	o.CheckDeadline(c.now)
	c.decide(o, name, nil)
	if o.State != state || o.Forget != forget {
		o.UpdatedAt = c.now
		c.orders = append(c.orders, o)
	}
	return nil
}

// applyFacts applies recorded events one after the other. It decides after each, so
// that the events that follow name the one that caused them.
func (c *changeset) applyFacts(o *order.Order, recorded []store.Entry) {
	for _, e := range recorded {
		effectsByType[e.Type].apply(o)
		c.decide(o, name, &event.Envelope{ID: e.EventID, Type: e.Type, Traceparent: e.Traceparent})
	}
}

// decide makes every decision about an order that is due now, on behalf of by. cause
// is the event that led to it; nil if a request or the clock did.
func (c *changeset) decide(o *order.Order, by string, cause *event.Envelope) {
	for {
		undecided := o.Status == order.Pending
		outcome := o.Apply()
		if outcome == order.Nothing {
			return
		}
		payload, sentence := announcement(o, outcome)
		c.publish(o, payload, sentence, by, cause)
		if undecided {
			status, waited := string(o.Status), c.now.Sub(o.CreatedAt).Seconds()
			c.counts = append(c.counts, func() { c.metrics.decided.WithLabelValues(status).Observe(waited) })
		}
	}
}

// flush stores the changes and adds their events to the outbox.
func (s *service) flush(ctx context.Context, tx sqldb.Tx, c *changeset) error {
	if err := store.Save(ctx, tx, c.orders); err != nil {
		return err
	}
	if len(c.events) == 0 {
		return nil
	}
	if err := store.Append(ctx, tx, c.entries); err != nil {
		return fmt.Errorf("append to the timeline: %w", err)
	}
	ordersDecided.Hit()
	tx.OnCommit(func() {
		for _, count := range c.counts {
			count()
		}
	})
	return s.Outbox.AddPending(ctx, tx, c.events...)
}
