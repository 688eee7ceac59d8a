package notifications

import (
	"context"
	"time"

	"troupe/patterns/event"
	"troupe/platform/telemetry"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
	"troupe/services/notifications/internal/webhook"
)

// lateAttempt is how long after the event an attempt begins a new trace, linked to that of
// the event.
const lateAttempt = time.Minute

// startSpan begins the span of an attempt, nil if the trace of its event is not recorded.
func startSpan(ctx context.Context, name, traceparent string, late bool) (context.Context, *telemetry.Span) {
	if late {
		return telemetry.NewTrace(ctx, "notifications", telemetry.Client, name, traceparent)
	}
	return telemetry.ContinueSpans(ctx, "notifications", telemetry.Client, name, traceparent)
}

// startAttempt begins the span of an attempt to send a mail or a push. It has no address:
// that is personal.
func (s *service) startAttempt(ctx context.Context, name string, d store.Delivery) (context.Context, *telemetry.Span) {
	late := d.Attempts > 1 && s.Now().Sub(d.CreatedAt) > lateAttempt
	ctx, span := startSpan(ctx, name, d.Traceparent, late)
	if span != nil {
		span.Set("messaging.message.conversation_id", d.OrderID)
		span.Set("troupe.notification.id", d.ID)
		span.Set("troupe.notification.kind", d.Kind)
		span.SetInt("troupe.notification.attempt", d.Attempts)
	}
	return ctx, span
}

// endAttempt ends the span of an attempt; a is nil if there was none after all. What the
// server replied is left out, because it may name the address.
func endAttempt(span *telemetry.Span, a *delivery.Attempt) {
	switch {
	case span == nil:
		return
	case a == nil:
		span.Set("troupe.notification.state", "waits")
	default:
		span.Set("troupe.notification.state", string(a.State))
		if a.State != delivery.Sent {
			span.Fail(string(a.State), "the "+string(a.Phase)+" phase did not succeed")
		}
	}
	span.End()
}

// startWebhook begins the span of an attempt to send an event to a webhook.
func (s *service) startWebhook(d store.WebhookDelivery) (context.Context, *telemetry.Span) {
	if !telemetry.Recording() {
		return s.webhooks.ctx, nil
	}
	late := d.Attempts > 1 && s.Now().Sub(d.CreatedAt) > lateAttempt
	ctx, span := startSpan(s.webhooks.ctx, "send webhook", event.Traceparent([]byte(d.Body)), late)
	if span != nil {
		span.Set("messaging.message.conversation_id", d.OrderID)
		span.Set("messaging.message.id", d.EventID)
		span.Set("troupe.webhook.id", d.WebhookID)
		span.SetInt("troupe.webhook.attempt", d.Attempts)
	}
	return ctx, span
}

func endWebhook(span *telemetry.Span, r webhook.Response) {
	if span == nil {
		return
	}
	span.Set("http.request.method", "POST")
	if r.Status != 0 {
		span.SetInt("http.response.status_code", r.Status)
	}
	if !r.Accepted() {
		span.Fail(resultOf(r), "the endpoint has not accepted the event")
	}
	span.End()
}
