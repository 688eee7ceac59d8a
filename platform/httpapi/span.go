package httpapi

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// describeSpan names the span after its route, by OpenTelemetry's conventions.
func describeSpan(span trace.Span, method, route string, rec *recorder) {
	if route != "" {
		span.SetName(method + " " + route)
	}
	span.SetAttributes(
		attribute.String("http.request.method", method),
		attribute.String("http.route", route),
		attribute.Int("http.response.status_code", rec.status))
	if rec.status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(rec.status))
	}
	if rec.cause != nil {
		span.RecordError(rec.cause)
	}
}
