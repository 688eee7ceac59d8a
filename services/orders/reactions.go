package orders

import (
	"context"
	"fmt"
	"strings"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

func (s *service) reactions() []inbox.Handler {
	return []inbox.Handler{
		heard(s, func(e events.StockReserved) string { return pieces(e.Lines) + " set aside." }),
		heard(s, func(e events.StockRejected) string { return "Nothing set aside: " + shortages(e.Short) + "." }),
		heard(s, func(e events.StockCommitted) string { return pieces(e.Lines) + " taken off the shelf." }),
		heard(s, func(e events.StockReleased) string { return pieces(e.Lines) + " given back: " + e.Reason + "." }),
		heard(s, func(e events.PaymentAuthorized) string { return amount(e.Amount) + " authorised." }),
		heard(s, func(e events.PaymentDeclined) string { return amount(e.Amount) + " declined: " + e.Reason + "." }),
		heard(s, func(e events.PaymentCaptured) string { return amount(e.Amount) + " captured." }),
		heard(s, func(e events.PaymentCaptureFailed) string {
			return amount(e.Amount) + " could not be captured: " + e.Reason + "."
		}),
		heard(s, func(e events.PaymentVoided) string { return "The authorisation of " + amount(e.Amount) + " is void." }),
		heard(s, func(e events.PaymentRefunded) string { return amount(e.Amount) + " refunded: " + e.Reason + "." }),
		inbox.HandleBatch(s.productsChanged),
		inbox.HandleBatch(s.stockChanged),
		inbox.Handle(s.userDeleted),
	}
}

// meaning is what we learn from each type of event that is about one order.
var meaning = map[string]order.Facts{
	events.StockReserved{}.EventType():        {Stock: order.StockReserved},
	events.StockRejected{}.EventType():        {Stock: order.StockShort},
	events.StockCommitted{}.EventType():       {Stock: order.StockCommitted},
	events.StockReleased{}.EventType():        {Stock: order.StockReleased},
	events.PaymentAuthorized{}.EventType():    {Payment: order.MoneyAuthorized},
	events.PaymentDeclined{}.EventType():      {Payment: order.MoneyDeclined},
	events.PaymentCaptured{}.EventType():      {Payment: order.MoneyCaptured},
	events.PaymentCaptureFailed{}.EventType(): {Payment: order.MoneyCaptureFailed},
	events.PaymentVoided{}.EventType():        {Payment: order.MoneyVoided},
	events.PaymentRefunded{}.EventType():      {Payment: order.MoneyRefunded},
}

// takeIn has an order learn from an event of the type.
func takeIn(o *order.Order, eventType string) {
	if eventType == (events.UserDeleted{}).EventType() {
		o.CustomerLeft()
		return
	}
	o.Hear(meaning[eventType])
}

// heard keeps events about orders in their timelines, with detail as the
// sentence, and wakes the decider. An event about an order that is not here
// fails: the order may still come, if this database was restored from a copy.
func heard[E event.Payload](s *service, detail func(E) string) inbox.Handler {
	return inbox.HandleBatch(func(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[E]) error {
		now := s.now()
		entries := make([]store.Entry, len(rs))
		for i, r := range rs {
			entries[i] = store.Entry{
				OrderID: r.Payload.CorrelationID(), ID: r.Envelope.ID, At: now, What: r.Envelope.Type, Who: r.Envelope.Source,
				Detail: detail(r.Payload), Cause: r.Envelope.CausationID, Traceparent: r.Envelope.Traceparent,
			}
		}
		tx.OnCommit(s.heard.Notify)
		return store.Heard(ctx, tx, entries)
	})
}

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

func (s *service) stockChanged(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[events.StockChanged]) error {
	levels := make([]store.Stock, len(rs))
	for i, r := range rs {
		levels[i] = store.Stock(r.Payload)
	}
	return store.PutStock(ctx, tx, levels)
}

// userDeleted tells every order of a customer that they are gone; see
// order.CustomerLeft for what that means to it.
func (s *service) userDeleted(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserDeleted]) error {
	tx.OnCommit(s.heard.Notify)
	return store.HeardOfUser(ctx, tx, r.Payload.UserID, store.Entry{
		ID: r.Envelope.ID, At: s.now(), What: r.Envelope.Type, Who: r.Envelope.Source,
		Detail: "The customer's account is gone.", Cause: r.Envelope.CausationID, Traceparent: r.Envelope.Traceparent,
	})
}

func created(o *order.Order) events.OrderCreated {
	lines := make([]events.OrderLine, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = events.OrderLine{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: events.Money(l.UnitPrice)}
	}
	return events.OrderCreated{
		OrderID: o.ID, UserID: o.UserID, Lines: lines, Total: events.Money(o.Total), PaymentMethod: o.PaymentMethod,
	}
}

// placed is the sentence for a new order. It tells of products that seemed to
// be short, as a hint to whoever wonders later; only the hold decides.
func placed(o *order.Order, products map[string]order.Product) string {
	var short []events.Shortage
	pieces := int64(0)
	for _, l := range o.Lines {
		pieces += l.Quantity
		if p := products[l.SKU]; p.StockKnown && p.Available < l.Quantity {
			short = append(short, events.Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: p.Available})
		}
	}
	sentence := fmt.Sprintf("%s for %s.", counted(pieces), o.Total)
	if len(short) > 0 {
		sentence += " Seemingly short: " + shortages(short) + "."
	}
	return sentence
}

func pieces(lines []events.StockLine) string {
	n := int64(0)
	for _, l := range lines {
		n += l.Quantity
	}
	return counted(n)
}

func counted(pieces int64) string {
	if pieces == 1 {
		return "1 piece"
	}
	return fmt.Sprintf("%d pieces", pieces)
}

func shortages(short []events.Shortage) string {
	parts := make([]string, len(short))
	for i, s := range short {
		parts[i] = fmt.Sprintf("%d of %s wanted, %d on hand", s.Wanted, s.SKU, s.Available)
	}
	return strings.Join(parts, "; ")
}

func amount(m events.Money) string { return money.Money(m).String() }
