package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"troupe/platform/fault"
	"troupe/platform/telemetry"
)

// serve is what every request goes through, around the mux.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	begun := a.config.Now()
	id := requestID(r)
	w.Header()["X-Request-Id"] = []string{id}
	ctx := telemetry.WithRequestID(r.Context(), id)
	if parent := r.Header["Traceparent"]; len(parent) == 1 {
		ctx = telemetry.WithTraceparent(ctx, parent[0])
	}
	ctx, span := a.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	rec := &recorder{ResponseWriter: w}
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
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

// noRoute answers what no pattern takes: 405 if another method would be, else 404.
func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	allow := a.allowed(r)
	if len(allow) == 0 {
		WriteProblem(w, r, fault.New(fault.NotFound, "not_found", "there is nothing at this path; see /docs for what there is"))
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

// recorder remembers what was answered, and why.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	cause  error // for the log
	stack  string
	abort  bool
}

// Unwrap lets http.ResponseController flush.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// panicked answers in the handler's place. If it had begun to answer, the
// connection is broken off, so that nobody takes half an answer for a whole one.
func (w *recorder) panicked(r *http.Request, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		w.abort = true
		return
	}
	err := fmt.Errorf("panic: %v", cause)
	w.stack = string(debug.Stack())
	if w.status == 0 {
		WriteProblem(w, r, err)
		return
	}
	w.cause, w.abort = err, true
}

// noteCause keeps for the log what the caller is not told.
func noteCause(w http.ResponseWriter, p *problem) {
	for {
		switch t := w.(type) {
		case *recorder:
			t.cause = p.cause
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return
		}
	}
}

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
	case rec.cause != nil:
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
