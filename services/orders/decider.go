package orders

import (
	"context"
	"fmt"
	"time"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

// decideRecorded is a step of the decider: it applies events that were recorded and
// decides what follows.
func (s *service) decideRecorded(ctx context.Context) (int, error) {
	return s.processClaimed(ctx, func(ctx context.Context, tx sqldb.Tx) ([]*order.Order, map[string][]store.Recorded, error) {
		orders, err := store.ClaimRecorded(ctx, tx, knownTypes)
		if err != nil {
			return nil, nil, err
		}
		events, err := store.TakeRecorded(ctx, tx, knownTypes, orders)
		return orders, events, err
	})
}

// cancelOverdue is a step of the deadlines worker: it cancels pending orders whose
// deadline has passed.
func (s *service) cancelOverdue(ctx context.Context) (int, error) {
	return s.processClaimed(ctx, func(ctx context.Context, tx sqldb.Tx) ([]*order.Order, map[string][]store.Recorded, error) {
		orders, err := store.ClaimOverdue(ctx, tx, s.backlog.clock.Passed(s.Now()))
		return orders, nil, err
	})
}

// claim reads and locks a batch of orders that no other transaction has locked. It returns
// them with the events to apply to them, by order.
type claim func(context.Context, sqldb.Tx) ([]*order.Order, map[string][]store.Recorded, error)

// processClaimed claims a batch of orders and processes it in one transaction. It
// returns how many orders it claimed.
func (s *service) processClaimed(ctx context.Context, claim claim) (claimed int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		orders, events, err := claim(ctx, tx)
		if err != nil {
			return fmt.Errorf("claim orders: %w", err)
		}
		claimed = len(orders)
		return s.process(ctx, tx, orders, events, nil)
	})
	return claimed, err
}

// mutation is what a request does to an order.
type mutation func(*changeset, *order.Order) error

// process applies events to orders, then m (unless it is nil), decides what follows, and
// stores and publishes it all. The caller has locked the orders.
func (s *service) process(ctx context.Context, tx sqldb.Tx, orders []*order.Order, events map[string][]store.Recorded, m mutation) error {
	if len(orders) == 0 {
		return nil
	}
	ordersClaimed.Hit()
	now := s.Now()
	changes := &changeset{now: now, passed: s.backlog.clock.Passed(now), newID: s.NewID, metrics: s.metrics, backlog: s.backlog}
	for _, o := range orders {
		if err := changes.process(o, events[o.ID], m); err != nil {
			return err
		}
	}
	return s.flush(ctx, tx, changes)
}

// process processes one order; see service.process.
func (c *changeset) process(o *order.Order, events []store.Recorded, m mutation) error {
	state, forget := o.State, o.Forget
	c.applyFacts(o, events)
	if m != nil {
		if err := m(c, o); err != nil {
			return err
		}
	}
	o.CheckDeadline(c.passed)
	c.decide(o, name, nil)
	changed := o.State != state || o.Forget != forget
	if changed {
		o.UpdatedAt = c.now
	}
	if changed || o.Timeline.Added() != "" {
		c.orders = append(c.orders, o)
	}
	return nil
}

// applyFacts applies events one after the other, except those that are in the order's
// timeline. It decides after each, so that the events that follow name the one that caused
// them.
func (c *changeset) applyFacts(o *order.Order, events []store.Recorded) {
	for _, e := range events {
		if o.Timeline.Has(e.EventID) {
			continue
		}
		o.Timeline.Add(e.Entry)
		effectsByType[e.Type].apply(o)
		cause := &event.Envelope{ID: e.EventID, Type: e.Type, Traceparent: e.Traceparent}
		if step := compensations[e.Type]; step != "" {
			c.counts = append(c.counts, c.metrics.compensated.WithLabelValues(step).Inc)
			c.decisions = append(c.decisions, decision{o, e.Type, cause})
		}
		c.decide(o, name, cause)
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
		recordDecision(o, payload.EventType(), cause)
		c.publish(o, payload, sentence, by, cause)
		waited := max(0, c.now.Sub(o.CreatedAt))
		if undecided {
			status := string(o.Status)
			c.counts = append(c.counts, func() { c.metrics.decided.WithLabelValues(status).Observe(waited.Seconds()) })
		}
		switch outcome {
		case order.Confirm:
			c.counts = append(c.counts, func() { c.backlog.wasConfirmed(c.now, waited) })
		case order.Pay:
			c.counts = append(c.counts, func() { c.backlog.Finished(waited) })
			c.finish("paid", waited, cause)
		case order.Cancel:
			c.finish("cancelled", waited, cause)
		case order.Nothing:
		}
	}
}

// finish counts the end of an order when the transaction commits.
func (c *changeset) finish(outcome string, waited time.Duration, cause *event.Envelope) {
	traceparent := ""
	if cause != nil {
		traceparent = cause.Traceparent
	}
	c.counts = append(c.counts, func() { c.metrics.finish(outcome, waited, traceparent) })
}

// flush stores the changes and adds their events to the outbox.
func (s *service) flush(ctx context.Context, tx sqldb.Tx, c *changeset) error {
	if err := store.Save(ctx, tx, c.orders); err != nil {
		return err
	}
	tx.OnCommit(func() {
		for _, o := range c.orders {
			s.changes.Changed(o.ID)
		}
	})
	tx.OnCommit(func() {
		for _, count := range c.counts {
			count()
		}
	})
	s.logDecisions(ctx, tx, c.decisions)
	if len(c.events) == 0 {
		return nil
	}
	ordersDecided.Hit()
	return s.Outbox.AddPending(ctx, tx, c.events...)
}
