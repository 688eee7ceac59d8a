package inbox

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"troupe/patterns/bus"
	"troupe/platform/telemetry"
)

// startSpans starts a consumer span for each event that carries a trace and puts
// it into the event's envelope, so that what the handler causes becomes its child.
// The returned function ends the spans.
//
// Names and attributes follow OpenTelemetry's conventions for messaging spans and
// for CloudEvents. The attribute messaging.system is left out, because the inbox
// does not know which bus delivered the event.
func (i *Inbox) startSpans(ctx context.Context, events []decoded) (end func(error)) {
	var spans []trace.Span
	queue := bus.QueueName(i.service)
	for _, e := range events {
		if e.Traceparent == "" {
			continue
		}
		ctx, span := i.tracer.Start(telemetry.WithTraceparent(ctx, e.Traceparent), "process "+queue,
			trace.WithSpanKind(trace.SpanKindConsumer))
		if !span.IsRecording() {
			continue
		}
		span.SetAttributes(spanAttributes(e, queue, len(events))...)
		e.received.envelope().Traceparent = telemetry.Traceparent(ctx)
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

func spanAttributes(e decoded, queue string, batch int) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", queue),
		attribute.String("messaging.message.id", e.ID),
		attribute.String("messaging.message.conversation_id", e.CorrelationID),
		attribute.String("cloudevents.event_id", e.ID),
		attribute.String("cloudevents.event_source", e.Source),
		attribute.String("cloudevents.event_type", e.Type),
	}
	if batch > 1 { // the events of one transaction; the span lasts as long as they take together
		attributes = append(attributes, attribute.Int("messaging.batch.message_count", batch))
	}
	return attributes
}
