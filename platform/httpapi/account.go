package httpapi

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// account writes the request's line in the log and its place in the metrics.
func (a *API) account(rec *recorder, r *http.Request, begun time.Time, span trace.Span) {
	took := a.config.Now().Sub(begun)
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	method, route := methodOf(r.Method), routeOf(r.Pattern)
	a.duration.WithLabelValues(method, route, strconv.Itoa(rec.status)).Observe(took.Seconds())
	if span.IsRecording() {
		describeSpan(span, method, route, rec)
	}
	level := levelOf(rec, route)
	if !a.config.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("path", clip(r.URL.Path)),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
		slog.Duration("took", took),
	}
	if rec.cause != nil {
		attrs = append(attrs, slog.String("error", rec.cause.Error()))
	}
	if rec.stack != "" {
		attrs = append(attrs, slog.String("stack", rec.stack))
	}
	a.config.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

func levelOf(rec *recorder, route string) slog.Level {
	switch {
	case rec.status == http.StatusInternalServerError || rec.abort:
		return slog.LevelError
	case rec.status > http.StatusInternalServerError:
		return slog.LevelWarn
	case isProbe(route):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func routeOf(pattern string) string {
	_, path, ok := strings.Cut(pattern, " ")
	if !ok {
		path = pattern
	}
	if path == "/" {
		return ""
	}
	return path
}

// methodOf keeps strangers from making up label values.
func methodOf(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE":
		return method
	}
	return "_OTHER"
}

// register makes the one metric of requests, named as OpenTelemetry's conventions
// have it; its _count is the number of requests.
func register(r *prometheus.Registry, service string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:        "http_server_request_duration_seconds",
		Help:        "How long requests took, by route and status; route is empty where none matched.",
		ConstLabels: prometheus.Labels{"service": service},
		Buckets:     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"http_request_method", "http_route", "http_response_status_code"})
	r.MustRegister(v)
	return v
}

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
