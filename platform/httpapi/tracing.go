package httpapi

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"troupe/platform/telemetry"
)

// trace is the middleware that assigns a request its id and its span, which all later
// log lines and outgoing calls carry. The id is sent back as X-Request-Id. Probes
// have no span: they would hide the other traces.
func (a *API) trace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := identifyRequest(w, r)
		if !isProbe(r.URL.Path) {
			var span trace.Span
			ctx, span = a.startSpan(ctx, r)
			defer a.endSpan(span)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// identifyRequest returns a context with the request's id, and sends the id back.
func identifyRequest(w http.ResponseWriter, r *http.Request) context.Context {
	id := requestID(r)
	w.Header()["X-Request-Id"] = []string{id}
	return telemetry.WithRequestID(r.Context(), id)
}

// startSpan continues the caller's trace, or begins one.
func (a *API) startSpan(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	if parent := r.Header["Traceparent"]; len(parent) == 1 {
		ctx = telemetry.WithTraceparent(ctx, parent[0])
	}
	return a.tracer.Start(ctx, spanName(methodLabel(r.Method), ""), serverSpan...)
}

func (a *API) endSpan(span trace.Span) {
	span.End()
	if a.config.Served != nil {
		a.config.Served()
	}
}

var serverSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

// spanName follows OpenTelemetry's conventions for HTTP: "GET /orders/{id}", and
// "HTTP" in the place of a method that is not a known one.
func spanName(method, route string) string {
	if method == otherMethod {
		method = "HTTP"
	}
	if route == "" {
		return method
	}
	return method + " " + route
}

// describeSpan names the span after its route and sets the attributes of
// OpenTelemetry's conventions for HTTP servers, except url.query: queries may hold
// secrets.
func describeSpan(span trace.Span, r *http.Request, rec *responseRecorder) {
	method, route := methodLabel(r.Method), routeLabel(r.Pattern)
	span.SetName(spanName(method, route))
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	span.SetAttributes(
		attribute.String("http.request.method", method),
		attribute.String("url.scheme", scheme),
		attribute.String("url.path", truncate(r.URL.Path)),
		attribute.Int("http.response.status_code", rec.status))
	if method == otherMethod {
		span.SetAttributes(attribute.String("http.request.method_original", truncate(r.Method)))
	}
	if route != "" {
		span.SetAttributes(attribute.String("http.route", route))
	}
	if kind := errorType(rec); kind != "" {
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, http.StatusText(rec.status))
	}
	if rec.cause != nil {
		span.RecordError(rec.cause)
	}
}

// errorType returns the attribute error.type of a response, "" if the server did
// not fail. A 4xx is the client's error and leaves the span without one.
func errorType(rec *responseRecorder) string {
	switch {
	case rec.aborted:
		return "response_aborted"
	case rec.status >= http.StatusInternalServerError:
		return strconv.Itoa(rec.status)
	}
	return ""
}

const otherMethod = "_OTHER"

// methodLabel returns the method, or otherMethod for one that is not known: strangers
// must not be able to invent label values.
func methodLabel(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE":
		return method
	}
	return otherMethod
}

// routeLabel returns the path of a pattern of the mux, "" for the one that matches
// everything.
func routeLabel(pattern string) string {
	_, path, ok := strings.Cut(pattern, " ")
	if !ok {
		path = pattern
	}
	if path == "/" {
		return ""
	}
	return path
}

// requestID returns the caller's id if it is harmless in logs, else a new one.
func requestID(r *http.Request) string {
	if ids := r.Header["X-Request-Id"]; len(ids) == 1 && validRequestID(ids[0]) {
		return ids[0]
	}
	return rand.Text()
}

func validRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		alpha := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !alpha && !digit && !strings.ContainsRune("-_.:", rune(c)) {
			return false
		}
	}
	return true
}
