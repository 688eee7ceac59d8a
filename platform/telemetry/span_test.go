package telemetry

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A shop that records one order in ten must not pay for the other nine. This test is not
// parallel, because allocations are counted for the whole process.
func TestASpanThatIsNotRecordedAllocatesNothing(t *testing.T) {
	t.Cleanup(OnEnd(func(EndingSpan) {}))
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

// Beyond the traces of a second, a request begins one that is passed on and costs nearly
// nothing. This test is not parallel, because it fixes the time for the whole process.
func TestARequestBeyondTheTracesOfASecondCostsLittle(t *testing.T) {
	t.Cleanup(OnEnd(func(EndingSpan) {}))
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	roots := &someTraces{now: func() time.Time { return now }, from: now, n: newTraces}
	defer newRoots.Store(newRoots.Swap(roots))
	ctx, span := Tracer("gateway").Start(context.Background(), "POST /orders")
	require.False(t, span.IsRecording())
	require.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-00$", Traceparent(ctx), "the other services record none either")
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { Tracer("gateway").Start(context.Background(), "POST /orders") }), 4.0)
	now = now.Add(time.Second)
	require.False(t, isExhausted(roots), "but again in the next second")
}
