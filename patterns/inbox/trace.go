package inbox

import (
	"context"
	"time"

	"troupe/patterns/bus"
	"troupe/platform/telemetry"
)

// lateRetry is the age from which on an event that is retried begins a trace of its own,
// linked to that of its publisher: a trace that lasts for minutes can not be read.
const lateRetry = 30 * time.Second

// startSpans starts a consumer span for each event that carries a trace and puts
// it into the event's envelope, so that what the handler causes becomes its child. The
// spans of a batch are linked to the first of them. Work done with the returned context
// is part of all their traces. The returned function ends the spans.
//
// Names and attributes follow OpenTelemetry's conventions for messaging spans and
// for CloudEvents. The attribute messaging.system is left out, because the inbox
// does not know which bus delivered the event.
func (i *Inbox) startSpans(ctx context.Context, events []decoded, newTrace bool) (_ context.Context, end func(error)) {
	if !telemetry.Recording() {
		return ctx, func(error) {}
	}
	var spans []*telemetry.Span
	for _, e := range events {
		if e.Traceparent == "" {
			continue
		}
		span := i.startSpan(ctx, e, newTrace)
		if span == nil {
			continue
		}
		i.describe(span, e, len(events))
		e.received.envelope().Traceparent = span.Traceparent()
		spans = append(spans, span)
		span.LinkTo(spans[0])
	}
	return telemetry.Together(ctx, spans...), func(err error) {
		for _, span := range spans {
			if err != nil {
				span.Fail("handler_failed", err.Error())
			}
			span.End()
		}
	}
}

// startSpan starts the span of one event, nil if its trace is not recorded. If newTrace is set, the
// span begins a trace.
func (i *Inbox) startSpan(ctx context.Context, e decoded, newTrace bool) (span *telemetry.Span) {
	name := "process " + bus.QueueName(i.service)
	if newTrace {
		_, span = telemetry.NewTrace(ctx, i.service, telemetry.Consumer, name, e.Traceparent)
		return span
	}
	_, span = telemetry.ContinueSpans(ctx, i.service, telemetry.Consumer, name, e.Traceparent)
	return span
}

func (i *Inbox) describe(span *telemetry.Span, e decoded, batch int) {
	span.Set("messaging.operation.name", "process")
	span.Set("messaging.operation.type", "process")
	span.Set("messaging.destination.name", bus.QueueName(i.service))
	span.Set("messaging.message.id", e.ID)
	span.Set("messaging.message.conversation_id", e.CorrelationID)
	span.Set("cloudevents.event_id", e.ID)
	span.Set("cloudevents.event_source", e.Source)
	span.Set("cloudevents.event_type", e.Type)
	if batch > 1 { // the events of one transaction; the span lasts as long as they take together
		span.SetInt("messaging.batch.message_count", batch)
	}
}

// isLate reports whether an attempt to handle a parked event begins a new trace: an operator
// has replayed the event, or it was published long ago.
func (i *Inbox) isLate(f failure) bool {
	return f.attempts <= 1 || i.now().Sub(f.Time) > lateRetry
}
