// Package telemetry sets up tracing and logging: traces are exported by OTLP, log
// lines carry the ids of their trace and request, and the trace context travels
// with requests and events.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// flushLimit is how long the last spans may take at a stop. A collector that does not
// answer must not use up the time that the requests have to finish.
const flushLimit = 2 * time.Second

// Start exports spans by OTLP/HTTP to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or to
// OTEL_EXPORTER_OTLP_ENDPOINT. Without those variables, or with OTEL_SDK_DISABLED=true or
// OTEL_TRACES_EXPORTER=none, no spans are recorded and tracing costs next to nothing,
// while trace contexts are still passed on. The exporter and the sampler read the other
// standard OTEL_ variables of the process; values that are not supported are an error.
// service is the service name of spans whose tracer has no name. Failures to export are
// logged, at most once a minute. shutdown exports the spans that are left.
//
// Call Start once in a process: it sets OpenTelemetry's globals, because libraries
// look for the provider and the propagator nowhere else.
func Start(ctx context.Context, service, version string, getenv func(string) string, log *slog.Logger) (shutdown func(context.Context), err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	rememberVersion(version)
	endpoint, err := endpointOf(getenv)
	if err != nil {
		return nil, err
	}
	if endpoint == "" {
		return func(context.Context) {}, nil
	}
	p, err := export(ctx, service, version, endpoint)
	if err != nil {
		return nil, err
	}
	warnings := &exportWarnings{log: log, endpoint: endpoint, now: time.Now}
	otel.SetErrorHandler(warnings)
	sampler := getenv(samplerVariable)
	install(p, sampler == "" || strings.HasPrefix(sampler, "parentbased"))
	return func(ctx context.Context) { p.flush(ctx, warnings) }, nil
}

// flush exports the spans that are left, for at most flushLimit.
func (p *providers) flush(ctx context.Context, warnings *exportWarnings) {
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	if err := p.spans.Shutdown(ctx); err != nil {
		warnings.log.Warn("the last traces are lost: the collector did not take them in time",
			"endpoint", warnings.endpoint, "waited", flushLimit, "error", err)
	}
}

// exportWarnings logs what goes wrong while spans are exported. It implements
// otel.ErrorHandler.
type exportWarnings struct {
	log      *slog.Logger
	endpoint string
	now      func() time.Time

	mu   sync.Mutex
	last time.Time
}

// Handle logs err, if none was logged within the last minute: an export is tried every
// few seconds.
func (w *exportWarnings) Handle(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.now(); now.Sub(w.last) >= time.Minute {
		w.last = now
		w.log.Warn("traces cannot be exported; the collector may be away", "endpoint", w.endpoint, "error", err)
	}
}

// export returns providers whose spans are sent to the OTLP endpoint.
func export(ctx context.Context, service, version, endpoint string) (*providers, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("start tracing to %s: %w", endpoint, err)
	}
	return newProviders(service, version, sdktrace.NewBatchSpanProcessor(exporter)), nil
}
