package telemetry

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A shop that records one order in ten must not pay for the other nine. This test is not
// parallel, because allocations are counted for the whole process.
func TestASpanThatIsNotRecordedAllocatesNothing(t *testing.T) {
	t.Cleanup(OnEnd(func(Ended) {}))
	const unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	ctx := WithTraceparent(context.Background(), unsampled)
	orders := Tracer("orders")
	for name, begin := range map[string]func(){
		"a request":             func() { _, span := orders.Start(ctx, "POST /orders"); span.End() },
		"work within it":        func() { _, span := StartSpan(ctx, Client, "transaction orders"); span.Set("k", "v"); span.End() },
		"an event":              func() { _, span := ContinueSpans(ctx, "orders", Consumer, "process", unsampled); span.End() },
		"an event, much later":  func() { _, span := NewTrace(ctx, "orders", Consumer, "process", unsampled); span.End() },
		"an event of no trace":  func() { _, span := ContinueSpans(ctx, "orders", Consumer, "process", ""); span.End() },
		"work of a worker":      func() { _, span := StartSpan(context.Background(), Client, "transaction orders"); span.End() },
		"work for many at once": func() { _, span := StartSpan(Together(ctx, nil, nil), Client, "transaction orders"); span.End() },
	} {
		require.Zero(t, testing.AllocsPerRun(100, begin), name)
	}
}
