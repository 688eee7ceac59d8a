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

type orderPaid struct{}

func (orderPaid) EventType() string     { return "order.paid.v1" }
func (orderPaid) CorrelationID() string { return "order-1" }

func TestAnEventCausedByAHandlerIsAChildInTheTrace(t *testing.T) {
	t.Parallel()
	const published = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	var inContext, inEnvelope string
	i := New(Config{
		Service: "shop", DB: sqldbtest.SQLite(t, Migrations), Now: time.Now,
		Handlers: []Handler{Handle(func(ctx context.Context, _ sqldb.Tx, r Received[orderPaid]) error {
			inContext, inEnvelope = telemetry.Traceparent(ctx), event.CausedBy(&r.Envelope, orderPaid{}).Cause.Traceparent
			return nil
		})},
	})
	recorder := tracetest.NewSpanRecorder()
	i.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("shop")

	e, err := event.New("e1", "payments", time.Now(), orderPaid{})
	require.NoError(t, err)
	e.Traceparent = published
	body, err := event.Encode(e)
	require.NoError(t, err)
	require.NoError(t, i.Consume(t.Context(), []bus.Delivery{{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}}))

	spans := recorder.Ended()
	require.Len(t, spans, 1)
	require.Equal(t, "process shop.events.v1", spans[0].Name())
	require.Subset(t, attributesOf(spans[0]), map[string]string{
		"messaging.operation.name": "process", "messaging.destination.name": "shop.events.v1", "messaging.message.id": "e1",
		"cloudevents.event_id": "e1", "cloudevents.event_type": "order.paid.v1", "cloudevents.event_source": "payments",
	})
	require.Equal(t, "00f067aa0ba902b7", spans[0].Parent().SpanID().String())
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", spans[0].SpanContext().TraceID().String())
	want := "00-4bf92f3577b34da6a3ce929d0e0e4736-" + spans[0].SpanContext().SpanID().String() + "-01"
	require.Equal(t, want, inContext)
	require.Equal(t, want, inEnvelope)
}

func attributesOf(span sdktrace.ReadOnlySpan) map[string]string {
	attributes := map[string]string{}
	for _, a := range span.Attributes() {
		attributes[string(a.Key)] = a.Value.String()
	}
	return attributes
}
