package story_test

import (
	"encoding/json"
	"fmt"
	"time"

	"troupe/events"
	"troupe/patterns/journal"
)

// began is when the orders of the scenarios were placed.
var began = time.Date(2026, 11, 27, 10, 1, 28, 120_000_000, time.UTC)

const (
	orderID = "0198b4c2-7b19-7000-8000-3f1e0c9a4b77"
	userID  = "0198b4c2-0000-7000-8000-3f1e0c9a4b01"
	trace   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	refused = "dial tcp 10.0.0.7:5432: connect: connection refused"
)

var total = events.Money{Amount: 4197, Currency: "EUR"}

// payload is an event of the shop.
type payload interface {
	EventType() string
	CorrelationID() string
}

// scenario is an order of which the records are made as the services would make them.
type scenario struct {
	now     time.Time
	records []journal.Record
	types   map[string]string
	events  int
	tries   map[string]int
}

func newScenario() *scenario {
	return &scenario{now: began, types: map[string]string{}, tries: map[string]int{}}
}

func (s *scenario) passes(d time.Duration) { s.now = s.now.Add(d) }

func (s *scenario) add(service string, r journal.Record) {
	r.At, r.Service, r.Instance, r.OrderID = s.now, service, service+"-7f9c/1", orderID
	s.records = append(s.records, r)
}

// publishes records that a service publishes an event because of another, and returns its id.
func (s *scenario) publishes(service, cause string, p payload) string {
	s.passes(700 * time.Microsecond)
	s.events++
	id := fmt.Sprintf("0198b4c2-7b1a-7c3e-9d55-%012x", s.events)
	data, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	s.types[id] = p.EventType()
	s.add(service, journal.Record{Kind: journal.Published, Event: &journal.Event{
		ID: id, Type: p.EventType(), CausationID: cause, Traceparent: trace, Data: data,
	}})
	return id
}

// attempt records an attempt to handle an event.
func (s *scenario) attempt(service, id string, outcome journal.Outcome, failure string, next time.Duration) {
	s.passes(3 * time.Millisecond)
	key := service + id
	if outcome != journal.Duplicate {
		s.tries[key]++
	}
	a := &journal.Attempt{
		EventID: id, Type: s.types[id], N: max(s.tries[key], 1), Outcome: outcome, Error: failure, Traceparent: trace,
		ReceivedAt: s.now.Add(-time.Millisecond), StartedAt: s.now, FinishedAt: s.now.Add(1500 * time.Microsecond),
	}
	if next > 0 {
		at := s.now.Add(next)
		a.NextAt = &at
	}
	s.add(service, journal.Record{Kind: journal.Handled, Attempt: a})
}

func (s *scenario) handles(id string, services ...string) {
	for _, service := range services {
		s.attempt(service, id, journal.OK, "", 0)
	}
}

func (s *scenario) fails(service, id string, next time.Duration) {
	s.attempt(service, id, journal.Retry, refused, next)
}

func (s *scenario) placed() string {
	return s.publishes("orders", "", events.OrderCreated{OrderID: orderID, UserID: userID, Total: total, PaymentMethod: "pm_card_visa", Lines: []events.OrderLine{
		{SKU: "TSHIRT-M", Name: "T-shirt M", Quantity: 2, UnitPrice: events.Money{Amount: 1299, Currency: "EUR"}},
		{SKU: "CAP", Name: "Cap", Quantity: 1, UnitPrice: events.Money{Amount: 1599, Currency: "EUR"}},
	}})
}

var lines = []events.StockLine{{SKU: "TSHIRT-M", Quantity: 2}, {SKU: "CAP", Quantity: 1}}

func (s *scenario) reserves(cause string) string {
	return s.publishes("inventory", cause, events.StockReserved{OrderID: orderID, Lines: lines})
}

func (s *scenario) authorizes(cause string) string {
	s.passes(40 * time.Millisecond)
	return s.publishes("payments", cause, events.PaymentAuthorized{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total})
}

func (s *scenario) captures(cause string) string {
	s.passes(35 * time.Millisecond)
	return s.publishes("payments", cause, events.PaymentCaptured{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total})
}

func (s *scenario) cancels(cause, reason string) string {
	return s.publishes("orders", cause, events.OrderCancelled{OrderID: orderID, UserID: userID, Total: total, Reason: reason})
}

func (s *scenario) mails(cause, kind string) {
	s.passes(20 * time.Millisecond)
	s.publishes("notifications", cause, events.NotificationSent{DeliveryID: "d-" + kind, UserID: userID, OrderID: orderID, Kind: kind, Channel: "email"})
}

// reserved is an order of which the stock is reserved, and the provider has not answered.
func (s *scenario) reserved() {
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	s.handles(s.reserves(c), "orders")
}

// confirms is the saga up to order.confirmed, and returns the id of that event.
func (s *scenario) confirms() string {
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	r := s.reserves(c)
	s.handles(r, "orders")
	return s.confirmsWith(s.authorizes(c))
}

func (s *scenario) confirmsWith(authorized string) string {
	s.handles(authorized, "orders")
	return s.publishes("orders", authorized, events.OrderConfirmed{OrderID: orderID, UserID: userID, Total: total})
}

// pays is the rest of the saga, and returns the id of order.paid.
func (s *scenario) pays(confirmed string) string {
	s.handles(confirmed, "inventory", "payments")
	c := s.publishes("inventory", confirmed, events.StockCommitted{OrderID: orderID, Lines: lines})
	s.handles(c, "orders")
	m := s.captures(confirmed)
	s.handles(m, "orders")
	p := s.publishes("orders", m, events.OrderPaid{OrderID: orderID, UserID: userID, Amount: total})
	s.handles(p, "notifications")
	s.mails(p, "order.paid")
	return p
}

// compensates is what follows on order.cancelled where stock and money are still reserved.
func (s *scenario) compensates(cancelled string) {
	s.handles(cancelled, "inventory", "payments", "notifications")
	r := s.publishes("inventory", cancelled, events.StockReleased{OrderID: orderID, Lines: lines, Reason: "customer"})
	s.handles(r, "orders")
	s.passes(30 * time.Millisecond)
	v := s.publishes("payments", cancelled, events.PaymentVoided{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total})
	s.handles(v, "orders")
	s.mails(cancelled, "order.cancelled")
}
