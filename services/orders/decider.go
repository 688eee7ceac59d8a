package orders

import (
	"context"
	"fmt"
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

// decide draws the conclusions from what was heard since.
func (s *service) decide(ctx context.Context) (int, error) {
	return s.concludeAll(ctx, store.ClaimHeard)
}

// cancelOverdue ends the orders whose deadline has passed with an answer missing.
func (s *service) cancelOverdue(ctx context.Context) (int, error) {
	return s.concludeAll(ctx, func(ctx context.Context, tx sqldb.Tx) ([]*order.Order, error) {
		return store.ClaimOverdue(ctx, tx, s.now())
	})
}

type claim func(context.Context, sqldb.Tx) ([]*order.Order, error)

func (s *service) concludeAll(ctx context.Context, c claim) (did int, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		orders, err := c(ctx, tx)
		if err != nil {
			return fmt.Errorf("claim orders: %w", err)
		}
		did = len(orders)
		return s.conclude(ctx, tx, orders, nil)
	})
	return did, err
}

// action is what a request does to an order.
type action func(m *minutes, o *order.Order) error

// conclude takes in what was heard of orders, then has act do what was asked
// for, if anything was, and then writes down and says all that follows. The
// caller holds the orders.
func (s *service) conclude(ctx context.Context, tx sqldb.Tx, orders []*order.Order, act action) error {
	if len(orders) == 0 {
		return nil
	}
	heard, err := store.Take(ctx, tx, orders)
	if err != nil {
		return fmt.Errorf("take what was heard: %w", err)
	}
	ordersClaimed.Hit()
	m := s.minutes()
	for _, o := range orders {
		if err := m.attend(o, heard[o.ID], act); err != nil {
			return err
		}
	}
	return s.write(ctx, tx, m)
}

// minutes are what is concluded in one transaction, before it is written.
type minutes struct {
	now     time.Time
	newID   func() string
	metrics *metrics
	changed []*order.Order
	notes   []store.Entry
	said    []event.Pending
	counts  []func() // what to count once it is committed
}

func (s *service) minutes() *minutes {
	return &minutes{now: s.now(), newID: s.newID, metrics: s.metrics}
}

// attend to one order.
func (m *minutes) attend(o *order.Order, heard []store.Entry, act action) error {
	state, forget := o.State, o.Forget
	for _, e := range heard {
		takeIn(o, e.What)
		m.advance(o, name, &event.Envelope{ID: e.ID, Type: e.What, Traceparent: e.Traceparent})
	}
	if act != nil {
		if err := act(m, o); err != nil {
			return err
		}
	}
	o.LookAtClock(m.now)
	m.advance(o, name, nil)
	if o.State != state || o.Forget != forget {
		o.UpdatedAt = m.now
		m.changed = append(m.changed, o)
	}
	return nil
}

// advance says every conclusion that there is to draw of an order now.
func (m *minutes) advance(o *order.Order, who string, cause *event.Envelope) {
	for {
		undecided := o.Status == order.Pending
		outcome := o.Advance()
		if outcome == order.Nothing {
			return
		}
		fact, detail := conclusion(o, outcome)
		m.say(o, fact, detail, who, cause)
		if undecided {
			status, waited := string(o.Status), m.now.Sub(o.CreatedAt).Seconds()
			m.counts = append(m.counts, func() { m.metrics.decided.WithLabelValues(status).Observe(waited) })
		}
	}
}

// conclusion puts an outcome into an event and a sentence.
func conclusion(o *order.Order, outcome order.Outcome) (event.Payload, string) {
	total := events.Money(o.Total)
	switch outcome {
	case order.Confirm:
		return events.OrderConfirmed{OrderID: o.ID, UserID: o.UserID, Total: total},
			"The stock is held and the money authorised."
	case order.Pay:
		return events.OrderPaid{OrderID: o.ID, UserID: o.UserID, Amount: total},
			"The stock is off the shelf and the money is ours."
	default:
		return events.OrderCancelled{OrderID: o.ID, UserID: o.UserID, Total: total, Reason: string(o.Reason)},
			cancelled[o.Reason]
	}
}

// say has a fact about an order said and noted in its timeline.
func (m *minutes) say(o *order.Order, fact event.Payload, detail, who string, cause *event.Envelope) {
	entry := store.Entry{OrderID: o.ID, ID: m.newID(), At: m.now, What: fact.EventType(), Who: who, Detail: detail}
	if cause != nil {
		entry.Cause = cause.ID
	}
	m.notes = append(m.notes, entry)
	m.said = append(m.said, event.Pending{ID: entry.ID, Payload: fact, Cause: cause})
	m.counts = append(m.counts, m.metrics.said.WithLabelValues(fact.EventType(), string(o.Reason)).Inc)
}

// write down and say what the minutes hold.
func (s *service) write(ctx context.Context, tx sqldb.Tx, m *minutes) error {
	if err := store.Save(ctx, tx, m.changed); err != nil {
		return err
	}
	if len(m.said) == 0 {
		return nil
	}
	if err := store.Note(ctx, tx, m.notes); err != nil {
		return fmt.Errorf("note what was said: %w", err)
	}
	ordersDecided.Hit()
	tx.OnCommit(func() {
		for _, count := range m.counts {
			count()
		}
	})
	return s.outbox.AddPending(ctx, tx, m.said...)
}

// cancelled says why in a sentence.
var cancelled = map[order.Reason]string{
	order.ByCustomer:      "Cancelled at the customer's wish.",
	order.ByAdmin:         "Cancelled by an admin, or because an admin gave the money back.",
	order.StockRejected:   "Cancelled because the stock is not to be had.",
	order.PaymentDeclined: "Cancelled because the payment was declined.",
	order.CaptureFailed:   "Cancelled because the authorised money could not be had.",
	order.DeadlinePassed:  "Cancelled because stock or payment did not answer in time.",
}
