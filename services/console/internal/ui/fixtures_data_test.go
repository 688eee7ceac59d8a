package ui

import (
	"encoding/json"
	"fmt"
	"time"

	"troupe/services/console/internal/view"
)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// start is when all that the fixtures have happened.
var start = time.Date(2026, 11, 20, 10, 1, 28, 0, time.UTC)

// entry returns an event of the stream.
func (f *fixtures) entry(seq int64) view.Entry {
	types := []string{"order.created.v1", "stock.reserved.v1", "payment.authorized.v1", "order.confirmed.v1", "payment.declined.v1"}
	names := []string{"orders", "inventory", "payments", "orders", "payments"}
	i := int(seq) % len(types)
	e := view.Entry{
		Seq: seq, At: time.Now(), Kind: "published", Service: names[i], Type: types[i],
		EventID: fmt.Sprintf("0198b4c2-7b1a-7c3e-9d55-%012d", seq), OrderID: f.named["declined"],
	}
	if seq%3 == 0 {
		e.Kind, e.Outcome, e.Attempt = "handled", "ok", 1
	}
	if seq%7 == 0 {
		e.Kind, e.Outcome, e.Attempt, e.Error = "handled", "retry", 2, "dial tcp 10.0.0.7:5432: connect: connection refused"
	}
	return e
}

func (f *fixtures) overview() view.Overview {
	var o view.Overview
	_ = json.Unmarshal(f.files["overview"], &o) // the goldens are JSON
	o.Faults = nil
	if f.faults.Load() {
		o.Faults = f.lab()[:1]
	}
	return o
}

func (f *fixtures) lab() []view.Fault {
	ends := time.Now().Add(20 * time.Second)
	first := view.Fault{ID: "provider_down", Title: "The payment provider is down", Expect: "The order waits while payments tries again, and is paid once the provider answers.", OrderID: f.named["retrying"]}
	if f.faults.Load() {
		first.Active, first.EndsAt = true, &ends
	}
	return []view.Fault{
		first,
		{ID: "card_declined", Title: "The card is declined", Expect: "The order is cancelled, its stock released, and the customer told by mail.", OrderID: f.named["declined"]},
		{ID: "out_of_stock", Title: "Out of stock", Expect: "The order is cancelled; the authorisation of the payment is voided."},
		{ID: "poison_event", Title: "An event that its consumer cannot read", Expect: "It becomes a dead letter of payments. Other events go on."},
		{ID: "duplicate", Title: "Every event is delivered twice", Expect: "The second delivery is skipped: the customer pays once."},
		{ID: "slow_consumer", Title: "Inventory is slow", Expect: "Its queue grows; orders wait, and none is lost."},
	}
}

func deadLetterGroups() view.DeadLetterGroups {
	return view.DeadLetterGroups{Items: []view.DeadLetterGroup{
		{ID: "g1", Consumer: "payments", Type: "order.created.v1", Cause: "json: cannot unmarshal string into Go struct field .total of type money.Money", State: "dead", Count: 12, First: start, Last: start.Add(time.Minute), Returned: 2},
		{ID: "g2", Consumer: "notifications", Type: "order.paid.v1", Cause: "dial tcp …: connect: connection refused", State: "retry", Count: 3, First: start, Last: start.Add(time.Minute)},
	}}
}

func deadLetters() view.DeadLetters {
	var all []view.DeadLetter
	for i := range 12 {
		all = append(all, view.DeadLetter{
			EventID: fmt.Sprintf("0198b4c2-7b1a-7c3e-9d55-%012d", i), Consumer: "payments", Type: "order.created.v1",
			OrderID: fmt.Sprintf("0198b4c2-7b19-7000-8000-%012d", i), State: "dead", Attempts: 12, Replays: i % 2,
			Error: "json: cannot unmarshal string into Go struct field .total of type money.Money", At: start.Add(time.Duration(i) * time.Second),
			Data: json.RawMessage(`{"order_id":"0198b4c2","total":"12.99 EUR"}`),
		})
	}
	return view.DeadLetters{Items: all}
}

func services() view.Services {
	var all []view.Service
	for i, name := range []string{"gateway", "users", "orders", "notifications", "inventory", "payments", "console"} {
		all = append(all, view.Service{
			Node: view.Node{Name: name, State: "up", Rate: float64(i) * 1.7}, URL: fmt.Sprintf("http://127.0.0.1:%d", 8000+i),
			Instances: []view.Instance{{Name: "shop-1/4211", SeenAt: start}},
			Probes:    []view.Probe{{Name: "livez", OK: true}, {Name: "readyz", OK: true}},
			Consumes:  []view.Consumer{{Type: "order.created.v1", Rate: 3.2, Lag: 0.004}, {Type: "order.cancelled.v1", Rate: 0.1, Failed: 0.1, Lag: 1.2}},
			Settings:  map[string]string{"LOG_FORMAT": "auto", "DATABASE_URL": "(secret)", "TROUPE_ENV": "development"},
		})
	}
	all[0].State, all[0].Reason = "impaired", "the circuit to payments is open"
	all[0].Breakers = []view.BreakerState{
		{Dependency: "payments", State: "open", History: []view.Transition{{At: start, From: "closed", To: "open", Reason: "5 of 8 calls failed"}}},
		{Dependency: "orders", State: "closed"},
	}
	all[5].State, all[5].Reason, all[5].Queue = "down", "connection refused", 41
	return view.Services{Items: all}
}

func traces(spans []view.Span) view.Traces {
	return view.Traces{Items: []view.TraceSummary{
		{TraceID: traceID, Name: "POST /orders", Service: "gateway", OrderID: "0198b4c2-7b19-7000-8000-000000000007", StartedAt: start, Took: 49_000, Spans: len(spans), Errors: 1},
		{TraceID: "4bf92f3577b34da6a3ce929d0e0e4799", Name: "GET /products", Service: "gateway", StartedAt: start, Took: 2_300, Spans: 3},
	}}
}

func mails() []view.Mail {
	return []view.Mail{
		{
			ID: "m1", OrderID: "0198b4c2-7b19-7000-8000-000000000007", Channel: "email", Kind: "order_cancelled", State: "sent", Subject: "Your order was cancelled", At: start,
			Text: "Hello,\n\nyour card was declined, so we have cancelled your order. You were not charged.\n\nThe shop",
			HTML: `<html><head><style>p{color:red}</style></head><body><p style="color:red" onclick="x()">your card was declined</p><img src="http://tracker.example/x.png"><script>alert(1)</script></body></html>`,
		},
		{ID: "m2", Channel: "push", Kind: "order_paid", State: "sent", Subject: "Your order is paid", At: start},
		{ID: "m3", Channel: "webhook", Kind: "order_paid", State: "failed", At: start},
	}
}

func actions() view.Actions {
	return view.Actions{Items: []view.Action{
		{At: start, By: "admin@shop.example", Action: "discard", Target: "payments order.created.v1", Reason: "a test of the partner", Result: "12 discarded"},
		{At: start, By: "admin@shop.example", Action: "sample_order", Target: "0198b4c2-7b19-7000-8000-000000000007", Result: "placed"},
	}}
}
