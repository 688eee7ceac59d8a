package orders

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/idempotency"
	"troupe/patterns/inbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
	"troupe/services/orders/internal/timeline"
)

// handlers returns the event handlers. It fails if an event about orders has no
// effect.
func (s *service) handlers() ([]inbox.Handler, error) {
	if err := checkEffects(eventEffects); err != nil {
		return nil, err
	}
	kinds := []inbox.Kind{inbox.KindOf[events.ProductChanged](), inbox.KindOf[events.StockChanged]()}
	for _, e := range eventEffects {
		if !e.deletes {
			kinds = append(kinds, e.kind)
		}
	}
	together := inbox.HandleTogether(s.consume, kinds, inbox.Idempotent())
	return append(together, inbox.Handle(s.recordUserDeleted)), nil
}

// consume handles the events of a batch in one sequence, so that replicas lock rows in the
// same one: orders, products, stock. The rows that all replicas want are locked last. A
// second delivery of an event changes nothing: products and stock have versions, and an
// order has a timeline.
func (s *service) consume(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[event.Payload]) error {
	var products []store.Product
	var levels []store.Stock
	arrived := map[string][]store.Recorded{}
	for _, r := range rs {
		switch e := r.Payload.(type) {
		case events.ProductChanged:
			products = append(products, store.Product{Version: e.Version, Product: order.Product{
				SKU: e.SKU, Name: e.Name, Price: money.Money(e.Price), Active: e.Active,
			}})
		case events.StockChanged:
			levels = append(levels, store.Stock(e))
		default:
			id := e.CorrelationID()
			arrived[id] = append(arrived[id], s.recorded(r, effectsByType[r.Envelope.Type].sentence(e)))
		}
	}
	if err := s.consumeAboutOrders(ctx, tx, arrived); err != nil {
		return err
	}
	if err := store.PutProducts(ctx, tx, products); err != nil {
		return err
	}
	return store.PutStock(ctx, tx, levels)
}

// consumeAboutOrders applies events to their orders and decides what follows. An event
// about an order that is not in this database fails: the order may still come back, if the
// database was restored from a backup.
func (s *service) consumeAboutOrders(ctx context.Context, tx sqldb.Tx, arrived map[string][]store.Recorded) error {
	if len(arrived) == 0 {
		return nil
	}
	orders, err := store.LockAll(ctx, tx, slices.Collect(maps.Keys(arrived)))
	if err != nil {
		return err
	}
	if len(orders) < len(arrived) {
		return missing(arrived, orders)
	}
	return s.process(ctx, tx, orders, arrived, nil)
}

// missing returns the error for events about orders that do not exist.
func missing(arrived map[string][]store.Recorded, orders []*order.Order) error {
	for _, o := range orders {
		delete(arrived, o.ID)
	}
	return fmt.Errorf("%d orders are not in this database, one of them is %s", len(arrived), slices.Min(slices.Collect(maps.Keys(arrived))))
}

// recorded returns an event in the form in which it is added to the timeline.
func (s *service) recorded(r inbox.Received[event.Payload], sentence string) store.Recorded {
	e := r.Envelope
	return store.Recorded{OrderID: r.Payload.CorrelationID(), Traceparent: e.Traceparent, Entry: timeline.Entry{
		EventID: e.ID, At: s.Now(), Type: e.Type, By: e.Source, Detail: sentence, Cause: e.CausationID,
	}}
}

// recordUserDeleted records in every order of a customer that the account is deleted;
// see order.CustomerDeleted for the consequences. It erases the customer's idempotency
// keys.
func (s *service) recordUserDeleted(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserDeleted]) error {
	tx.OnCommit(s.waiting.Notify)
	if err := idempotency.Erase(ctx, tx, r.Payload.UserID); err != nil {
		return err
	}
	received := inbox.Received[event.Payload]{Envelope: r.Envelope, Payload: r.Payload}
	return store.RecordForUser(ctx, tx, r.Payload.UserID, s.recorded(received, "Customer account deleted"))
}
