package inbox

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"troupe/platform/telemetry"
)

// trace opens a span for each event that came with a trace, and puts it into the
// envelope, so that what follows from the event hangs below. end closes them.
func (i *Inbox) trace(ctx context.Context, hs []heard) (end func(error)) {
	var spans []trace.Span
	for _, h := range hs {
		if h.Traceparent == "" {
			continue
		}
		ctx, span := i.tracer.Start(telemetry.WithTraceparent(ctx, h.Traceparent), "hear "+h.Type,
			trace.WithSpanKind(trace.SpanKindConsumer))
		if !span.IsRecording() {
			continue
		}
		span.SetAttributes(attribute.String("event.id", h.ID), attribute.String("event.correlationid", h.CorrelationID))
		h.received.envelope().Traceparent = telemetry.Traceparent(ctx)
		spans = append(spans, span)
	}
	return func(err error) {
		for _, span := range spans {
			if err != nil {
				span.SetStatus(codes.Error, err.Error())
			}
			span.End()
		}
	}
}
