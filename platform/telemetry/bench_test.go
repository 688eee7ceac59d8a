package telemetry

import (
	"context"
	"fmt"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// BenchmarkSpanOfAnEvent measures the span of an event with the attributes that an inbox sets.
func BenchmarkSpanOfAnEvent(b *testing.B) {
	install(newProviders("troupe", "", sdktrace.NewBatchSpanProcessor(nil)), true)
	b.ReportAllocs()
	for b.Loop() {
		_, span := ContinueSpans(context.Background(), "orders", Consumer, "process orders", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			span.Set(key, "value")
		}
		span.End()
	}
}

// BenchmarkSpansOfATransaction measures the spans of a transaction for ten recorded traces.
func BenchmarkSpansOfATransaction(b *testing.B) {
	install(newProviders("troupe", "", sdktrace.NewBatchSpanProcessor(nil)), true)
	var spans []*Span
	for i := range 10 {
		_, s := ContinueSpans(context.Background(), "orders", Consumer, "process orders", fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e473%d-00f067aa0ba902b7-01", i))
		spans = append(spans, s)
	}
	ctx := Together(context.Background(), spans...)
	b.ReportAllocs()
	for b.Loop() {
		_, span := StartSpan(ctx, Client, "transaction orders")
		span.Set("db.system.name", "sqlite")
		span.Set("db.namespace", "orders")
		span.Set("db.query.summary", "INSERT outbox")
		span.End()
	}
}

// BenchmarkSpanOfAnUnrecordedTrace measures a request whose trace is not sampled.
func BenchmarkSpanOfAnUnrecordedTrace(b *testing.B) {
	p := newProviders("troupe", "", sdktrace.NewBatchSpanProcessor(nil))
	p.sampler = sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0))
	install(p, true)
	b.ReportAllocs()
	for b.Loop() {
		_, span := Tracer("gateway").Start(context.Background(), "POST /orders")
		span.End()
	}
}
