package outbox

import (
	"context"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/telemetry"
)

// startSpan begins a producer span in each trace that has an event in the batch. It is
// below the work that added the first of them to the outbox, and linked to that of the
// others: an event continues the trace of the work that it is about, not of the relay.
func (o *Outbox) startSpan(ctx context.Context, batch []bus.Message) *telemetry.Span {
	if !telemetry.Recording() {
		return nil
	}
	traces := make([]string, len(batch))
	for i, m := range batch {
		traces[i] = event.Traceparent(m.Body)
	}
	_, span := telemetry.ContinueSpans(ctx, o.service, telemetry.Producer, "send troupe.events", traces...)
	if span != nil {
		span.Set("messaging.operation.name", "send")
		span.Set("messaging.operation.type", "send")
		span.Set("messaging.destination.name", "troupe.events")
		span.SetInt("messaging.batch.message_count", len(batch))
	}
	return span
}

// endSpan ends the span of a batch, which the bus has answered with errs.
func endSpan(span *telemetry.Span, errs []error) {
	if span == nil {
		return
	}
	failed, first := 0, error(nil)
	for _, err := range errs {
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
		}
	}
	if first != nil {
		span.SetInt("troupe.events.refused", failed)
		span.Fail("publish_failed", first.Error())
	}
	span.End()
}
