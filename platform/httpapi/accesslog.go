package httpapi

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// accessLog is the middleware that writes one line of log per request, observes its
// duration in the metrics and describes its span. The line names the client's address,
// the caller's id, the path of what was created and the code of a problem, and nothing that
// could be a secret or a personal detail, such as the query.
func (a *API) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serveLogged(next, w, r) })
}

func (a *API) serveLogged(h http.Handler, w http.ResponseWriter, r *http.Request) {
	start := a.config.Now()
	rec := &responseRecorder{ResponseWriter: w}
	defer func() { a.logAccess(rec, r, a.config.Now().Sub(start)) }()
	h.ServeHTTP(rec, r)
}

func (a *API) logAccess(rec *responseRecorder, r *http.Request, duration time.Duration) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	method, route := methodLabel(r.Method), routeLabel(r.Pattern)
	a.duration.WithLabelValues(method, route, strconv.Itoa(rec.status)).Observe(duration.Seconds())
	if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
		describeSpan(span, r, rec)
	}
	level := accessLevel(rec, route)
	if !a.config.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 12), // room for all that may follow
		slog.String("method", method), slog.String("path", truncate(r.URL.Path)),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", duration), slog.String("client", a.clientOf(r)))
	if rec.user != "" {
		attrs = append(attrs, slog.String("user", rec.user))
	}
	if location := rec.created(); location != "" {
		attrs = append(attrs, slog.String("location", location))
	}
	if rec.ignoredToken != "" {
		attrs = append(attrs, slog.String("ignored_token", rec.ignoredToken))
	}
	if rec.code != "" {
		attrs = append(attrs, slog.String("code", rec.code))
	}
	if rec.cause != nil {
		attrs = append(attrs, slog.String("error", rec.cause.Error()))
	}
	if rec.stack != "" {
		attrs = append(attrs, slog.String("stack", rec.stack))
	}
	a.config.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// accessLevel returns Error for what an engineer must look at, Warn for other 5xx, Debug
// for probes and documents, and Info for the rest. A 503 with Retry-After is among the
// rest: there may be thousands a second, and what causes them logs its beginning and end.
func accessLevel(rec *responseRecorder, route string) slog.Level {
	switch {
	case rec.status == http.StatusInternalServerError || rec.aborted:
		return slog.LevelError
	case rec.status == http.StatusServiceUnavailable && len(rec.Header()["Retry-After"]) > 0:
		return slog.LevelInfo
	case rec.status > http.StatusInternalServerError:
		return slog.LevelWarn
	case isOperators(route):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// newDurationHistogram registers the one metric of requests; its _count is the
// number of requests.
func newDurationHistogram(r *prometheus.Registry, service string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:        "troupe_http_request_duration_seconds",
		Help:        "Duration of HTTP requests by method, route and status; route is empty if none matched.",
		ConstLabels: prometheus.Labels{"service": service},
		Buckets:     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "route", "status"})
	r.MustRegister(v)
	return v
}
