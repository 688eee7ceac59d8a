package orders

import (
	"context"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

// handlers returns the event handlers. It fails if an event about orders has no
// effect.
func (s *service) handlers() ([]inbox.Handler, error) {
	if err := checkEffects(eventEffects); err != nil {
		return nil, err
	}
	handlers := []inbox.Handler{
		inbox.HandleBatch(s.productsChanged),
		inbox.HandleBatch(s.stockChanged),
	}
	for _, e := range eventEffects {
		handlers = append(handlers, e.handler(s))
	}
	return handlers, nil
}

// record returns a handler that records events in the timelines of their orders and
// wakes the decider. An event about an order that is not in this database fails: the
// order may still come back, if the database was restored from a backup.
func record[E event.Payload](s *service, sentence func(E) string) inbox.Handler {
	return inbox.HandleBatch(func(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[E]) error {
		now := s.Now()
		entries := make([]store.Entry, len(rs))
		for i, r := range rs {
			entries[i] = store.Entry{
				OrderID: r.Payload.CorrelationID(), EventID: r.Envelope.ID, At: now, Type: r.Envelope.Type, By: r.Envelope.Source,
				Detail: sentence(r.Payload), Cause: r.Envelope.CausationID, Traceparent: r.Envelope.Traceparent,
			}
		}
		tx.OnCommit(s.recorded.Notify)
		return store.Record(ctx, tx, entries)
	})
}

// recordUserDeleted records in every order of a customer that the account is deleted;
// see order.CustomerDeleted for the consequences.
func (s *service) recordUserDeleted(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserDeleted]) error {
	tx.OnCommit(s.recorded.Notify)
	return store.RecordForUser(ctx, tx, r.Payload.UserID, store.Entry{
		EventID: r.Envelope.ID, At: s.Now(), Type: r.Envelope.Type, By: r.Envelope.Source,
		Detail: "Customer account deleted", Cause: r.Envelope.CausationID, Traceparent: r.Envelope.Traceparent,
	})
}

// productsChanged updates the copy of inventory's products.
func (s *service) productsChanged(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.ProductChanged]) error {
	products := make([]store.Product, len(rs))
	for i, r := range rs {
		e := r.Payload
		products[i] = store.Product{Version: e.Version, Product: order.Product{
			SKU: e.SKU, Name: e.Name, Price: money.Money(e.Price), Active: e.Active,
		}}
	}
	return store.PutProducts(ctx, tx, products)
}

// stockChanged updates the copy of inventory's stock levels.
func (s *service) stockChanged(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.StockChanged]) error {
	levels := make([]store.Stock, len(rs))
	for i, r := range rs {
		levels[i] = store.Stock(r.Payload)
	}
	return store.PutStock(ctx, tx, levels)
}
