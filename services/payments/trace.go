package payments

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/telemetry"
	"troupe/services/payments/internal/provider"
)

// startSpans begins a span for each call to the provider, in the trace of the event that led
// to it; nil where that is not recorded. The transaction in which the built-in provider
// handles the calls is part of all of them.
func startSpans(ctx context.Context, calls []call) (context.Context, []*telemetry.Span) {
	spans := make([]*telemetry.Span, len(calls))
	if !telemetry.Recording() {
		return ctx, spans
	}
	for i, c := range calls {
		name := "provider " + string(c.request.Kind)
		if c.request.Ask {
			name = "provider ask"
		}
		_, spans[i] = telemetry.ContinueSpans(ctx, "payments", telemetry.Client, name, c.Cause.Traceparent)
		spans[i].Set("messaging.message.conversation_id", c.orderID)
		spans[i].Set("troupe.payment.operation", string(c.request.Kind))
		spans[i].Set("troupe.payment.idempotency_key", c.request.Key)
	}
	return telemetry.Together(ctx, spans...), spans
}

// outcomeNames are the outcomes of calls as they are named in spans.
var outcomeNames = map[provider.Outcome]string{
	provider.TimedOut: "timed_out", provider.NotFound: "not_found", provider.Approved: "approved", provider.Rejected: "rejected",
}

// newCallMetrics returns the counter of the provider's answers.
func newCallMetrics(r prometheus.Registerer) *prometheus.CounterVec {
	m := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_payments_provider_calls_total",
		Help: "Calls to the payment provider, by operation (auth, capture, void, refund) and outcome (approved, rejected, not_found, timed_out).",
	}, []string{"operation", "outcome"})
	r.MustRegister(m)
	return m
}

func endSpan(span *telemetry.Span, r provider.Response) {
	span.Set("troupe.payment.outcome", outcomeNames[r.Outcome])
	if r.Code != "" {
		span.Set("troupe.payment.code", r.Code)
	}
	if r.Outcome == provider.TimedOut {
		span.Fail("timeout", "the provider did not answer; the money may have been moved")
	}
	span.End()
}
