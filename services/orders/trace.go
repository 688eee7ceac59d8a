package orders

import (
	"context"

	"troupe/patterns/event"
	"troupe/platform/telemetry"
	"troupe/services/orders/internal/order"
)

// recordDecision records what was decided about an order, in the trace of the event that led
// to it. A transaction that is run again decides again.
func recordDecision(o *order.Order, decision string, cause *event.Envelope) {
	if cause == nil || !telemetry.Recording() {
		return
	}
	_, span := telemetry.ContinueSpans(context.Background(), name, telemetry.Internal, "decide", cause.Traceparent)
	span.Set("messaging.message.conversation_id", o.ID)
	span.Set("troupe.order.decision", decision)
	span.Set("troupe.order.status", string(o.Status))
	span.Set("troupe.order.payment", string(o.PaymentState()))
	span.End()
}
