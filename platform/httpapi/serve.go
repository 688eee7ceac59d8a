package httpapi

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"troupe/platform/fault"
	"troupe/platform/telemetry"
)

// serve is what every request goes through, around the mux.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	begun := a.config.Now()
	id := requestID(r)
	w.Header()["X-Request-Id"] = []string{id}
	ctx, span := a.trace(telemetry.WithRequestID(r.Context(), id), r)
	defer span.End()
	rec := &recorder{ResponseWriter: w}
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	defer func() {
		if cause := recover(); cause != nil {
			rec.panicked(r, cause)
		}
		a.account(rec, r, begun, span)
		if rec.abort {
			panic(http.ErrAbortHandler)
		}
	}()
	a.mux.ServeHTTP(rec, r)
}

// trace continues the caller's trace, or begins one. Probes would drown the others.
func (a *API) trace(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	if isProbe(r.URL.Path) {
		return ctx, trace.SpanFromContext(ctx)
	}
	if parent := r.Header["Traceparent"]; len(parent) == 1 {
		ctx = telemetry.WithTraceparent(ctx, parent[0])
	}
	return a.tracer.Start(ctx, methodOf(r.Method), trace.WithSpanKind(trace.SpanKindServer))
}

var errNoRoute = fault.New(fault.NotFound, "not_found", "there is nothing at this path; see /docs for what there is")

// noRoute answers what no pattern takes: 405 if another method would be, else 404.
func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	allow := a.allowed(r)
	if len(allow) == 0 {
		WriteProblem(w, r, errNoRoute)
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	writeProblem(w, newProblem(r.Context(), http.StatusMethodNotAllowed, "method_not_allowed",
		"this path does not take "+clip(r.Method)+", only "+strings.Join(allow, ", ")))
}

func (a *API) allowed(r *http.Request) []string {
	var allow []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "/" {
			allow = append(allow, method)
		}
	}
	return allow
}

// requestID takes the caller's id if it is harmless in logs, else makes one.
func requestID(r *http.Request) string {
	if ids := r.Header["X-Request-Id"]; len(ids) == 1 && sane(ids[0]) {
		return ids[0]
	}
	return rand.Text()
}

func sane(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && !strings.ContainsRune("-_.:", rune(c)) {
			return false
		}
	}
	return true
}
