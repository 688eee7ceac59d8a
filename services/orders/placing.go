package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/patterns/event"
	"troupe/patterns/idempotency"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
	"troupe/services/orders/internal/timeline"
)

const (
	// placedTogether is how many orders share a transaction at most.
	placedTogether = 64
	// placingAtOnce is how many of these transactions run at the same time, so that one that
	// waits for another replica does not hold up all orders.
	placingAtOnce = 2
	// placingTimeout ends a transaction of several orders. That of one order ends with its
	// request.
	placingTimeout = 10 * time.Second
)

// placement is a request to place an order, and its result.
type placement struct {
	order.PlaceOrder
	request     idempotency.Request
	traceparent string
	others      int // of the customer's orders that are being stored

	products map[string]order.Product
	held     held
	order    *order.Order // as it will be stored
	view     orderView
	err      error
}

var errPlacingStopped = errors.New("the transaction that was to place this order did not end")

// place takes an order. Orders that arrive at the same time share a transaction.
func (s *service) place(ctx context.Context, p order.PlaceOrder, key string, body any) (orderView, error) {
	if err := p.ValidateItems(); err != nil {
		return orderView{}, err
	}
	others, end := s.quota.begin(p.UserID)
	defer end()
	one := &placement{
		PlaceOrder: p, request: idempotency.Request{Caller: p.UserID, Operation: placeOperation, Key: key, Body: body},
		traceparent: telemetry.Traceparent(ctx), others: others, err: errPlacingStopped,
	}
	s.placing.Do(one, func(batch []*placement) { s.placeTogether(ctx, batch) })
	one.view.setAddress(p.ShipTo)                   // a repeated request has the same body
	if to, invalid := p.Address(); invalid == nil { // an earlier version may have accepted what this one does not
		one.view.setAddress(to)
	}
	return one.view, one.err
}

// placeTogether places orders, in one transaction if it can. It sets the view or the error
// of each.
func (s *service) placeTogether(ctx context.Context, batch []*placement) {
	if len(batch) > 1 {
		var cancel context.CancelFunc
		// The request that runs the transaction must not end it for the others.
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), placingTimeout)
		defer cancel()
	}
	for len(batch) > 0 {
		first, rest := withoutRepetitions(batch)
		s.placeDistinct(ctx, first)
		batch = rest
	}
}

// withoutRepetitions returns the placements whose idempotency keys differ, and the rest:
// those that repeat one of them.
func withoutRepetitions(batch []*placement) (first, rest []*placement) {
	seen := make(map[[2]string]bool, len(batch))
	for _, p := range batch {
		key := [2]string{p.UserID, p.request.Key}
		if p.request.Key != "" && seen[key] {
			rest = append(rest, p)
			continue
		}
		seen[key] = true
		first = append(first, p)
	}
	return first, rest
}

// placeDistinct places orders in one transaction. If that fails for a reason other than that
// the database does not answer, it places each by itself, since one may be to blame.
func (s *service) placeDistinct(ctx context.Context, batch []*placement) {
	err := s.tryPlace(ctx, batch)
	if err == nil {
		return
	}
	if len(batch) > 1 && !fault.Is(err, fault.Unavailable) && ctx.Err() == nil {
		for i := range batch {
			s.placeDistinct(ctx, batch[i:i+1])
		}
		return
	}
	for _, p := range batch {
		p.view, p.err = orderView{}, err
	}
}

// tryPlace reads the prices before the transaction begins, to keep it short, but refuses an
// order only inside: a repeated request gets its first answer even if a product has been
// withdrawn since.
func (s *service) tryPlace(ctx context.Context, batch []*placement) error {
	if err := s.readForPlacing(ctx, batch); err != nil {
		return err
	}
	now := s.Now()
	requests := make([]idempotency.Request, len(batch))
	for i, p := range batch {
		requests[i] = p.request
	}
	var answers []idempotency.Answer[orderView]
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		answers, err = idempotency.OnceTogether(ctx, tx, requests, now, func(i int) (orderView, error) {
			return s.compute(batch[i], now)
		})
		if err != nil {
			return err
		}
		return s.insert(ctx, tx, batch, answers)
	})
	orderCommitted.Hit()
	if err != nil {
		return err
	}
	for i, p := range batch {
		p.view, p.err = answers[i].Value, answers[i].Err
	}
	return nil
}

// readForPlacing reads the products of the orders, and what their customers have set aside.
func (s *service) readForPlacing(ctx context.Context, batch []*placement) error {
	var b sqldb.Batch
	for _, p := range batch {
		p.products, p.held = store.Products(&b, p.Items), held{quantity: map[string]int64{}}
		if s.MaxUndecided > 0 {
			store.Undecided(&b, p.UserID, s.MaxUndecided, p.held.add)
		}
	}
	if err := s.DB.Run(ctx, &b); err != nil {
		return fmt.Errorf("read prices: %w", err)
	}
	return nil
}

// compute returns the order that p requests, or why it is refused.
func (s *service) compute(p *placement, now time.Time) (orderView, error) {
	if err := s.quota.check(p.PlaceOrder, p.held, p.others); err != nil {
		return orderView{}, err
	}
	var err error
	if p.order, err = order.Place(s.NewID(), p.PlaceOrder, p.products, now, s.Deadline); err != nil {
		return orderView{}, err
	}
	return storableViewOf(p.order), nil
}

// insert stores the orders whose answers are new with their first timeline entries, which
// have the sentences, and publishes order.created for each.
func (s *service) insert(ctx context.Context, tx sqldb.Tx, batch []*placement, answers []idempotency.Answer[orderView]) error {
	var orders []*order.Order
	var pending []event.Pending
	for i, p := range batch {
		if !answers[i].New {
			continue
		}
		payload := orderCreated(p.order)
		e := timeline.Entry{EventID: s.NewID(), At: p.order.CreatedAt, Type: payload.EventType(), By: "customer", Detail: placedSentence(p.order, p.products)}
		p.order.Timeline.Add(e)
		orders = append(orders, p.order)
		pending = append(pending, event.Pending{ID: e.EventID, Payload: payload, Traceparent: p.traceparent})
		tx.OnCommit(s.metrics.published.WithLabelValues(e.Type, "").Inc)
		tx.OnCommit(s.metrics.started.Inc)
	}
	if err := store.Insert(ctx, tx, orders); err != nil {
		return err
	}
	orderStored.Hit()
	return s.Outbox.AddPending(ctx, tx, pending...)
}
