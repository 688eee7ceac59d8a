package inbox

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/platform/telemetry"
)

type bellRang struct{}

func (bellRang) EventType() string     { return "bell.rang.v1" }
func (bellRang) CorrelationID() string { return "door" }

func TestWhatFollowsFromAnEventHangsBelowItInTheTrace(t *testing.T) {
	t.Parallel()
	const said = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	var inContext, inEnvelope string
	i := New(Config{
		Service: "house", DB: sqldbtest.SQLite(t, Migrations), Now: time.Now,
		Handlers: []Handler{Handle(func(ctx context.Context, _ sqldb.Tx, r Received[bellRang]) error {
			inContext, inEnvelope = telemetry.Traceparent(ctx), event.CausedBy(&r.Envelope, bellRang{}).Cause.Traceparent
			return nil
		})},
	})
	recorder := tracetest.NewSpanRecorder()
	i.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("house")

	e, err := event.New("e1", "visitor", time.Now(), bellRang{})
	require.NoError(t, err)
	e.Traceparent = said
	body, err := event.Encode(e)
	require.NoError(t, err)
	require.NoError(t, i.Consume(t.Context(), []bus.Delivery{{Message: bus.Message{ID: "e1", Body: body}}}))

	spans := recorder.Ended()
	require.Len(t, spans, 1)
	require.Equal(t, "hear bell.rang.v1", spans[0].Name())
	require.Equal(t, "00f067aa0ba902b7", spans[0].Parent().SpanID().String())
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", spans[0].SpanContext().TraceID().String())
	want := "00-4bf92f3577b34da6a3ce929d0e0e4736-" + spans[0].SpanContext().SpanID().String() + "-01"
	require.Equal(t, want, inContext)
	require.Equal(t, want, inEnvelope)
}
