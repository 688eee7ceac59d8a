package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"troupe/patterns/event"
)

// sample is an order.created with three lines, the largest of the frequent events.
var sample = event.Envelope{
	ID: "019377f2-7b1a-7c3e-9d55-3f1e0c9a4b77", Source: "orders", Type: "order.created.v1",
	Time:          time.Date(2026, 1, 1, 12, 0, 0, 123456000, time.UTC),
	CorrelationID: "019377f2-7b19-7000-8000-3f1e0c9a4b77",
	Traceparent:   "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	Data: json.RawMessage(`{"order_id":"019377f2-7b19-7000-8000-3f1e0c9a4b77","user_id":"019377f2-0000-7000-8000-3f1e0c9a4b77",` +
		`"lines":[{"sku":"TSHIRT-M","name":"T-shirt \"M\"","quantity":2,"unit_price":{"amount":1299,"currency":"EUR"}},` +
		`{"sku":"MUG","name":"Mug","quantity":1,"unit_price":{"amount":799,"currency":"EUR"}},` +
		`{"sku":"CAP","name":"Cap","quantity":1,"unit_price":{"amount":1599,"currency":"EUR"}}],` +
		`"total":{"amount":4996,"currency":"EUR"},"payment_method":"pm_card_visa"}`),
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Encode(sample); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	body, err := event.Encode(sample)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := event.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
