// Package telemetry makes what the system does visible: traces by OTLP, logs
// that name their trace and request, and the trace context that travels with
// requests and events.
package telemetry

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// Start sends spans by OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT; without that
// variable spans are made nowhere and cost next to nothing, while trace contexts
// still travel through. The exporter and the sampler heed the other standard
// OTEL_ variables of the process. Call it once; service names the spans of a
// tracer that has no service of its own. shutdown sends what is left.
//
// It sets OpenTelemetry's own globals, because instrumented libraries look for
// the provider and the propagator nowhere else.
func Start(ctx context.Context, service, version string, getenv func(string) string) (shutdown func(context.Context) error, err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	endpoint := getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("start tracing to OTEL_EXPORTER_OTLP_ENDPOINT=%s: %w", endpoint, err)
	}
	batches := sdktrace.NewBatchSpanProcessor(exporter)
	otel.SetTracerProvider(&providers{service: service, version: version, spans: batches, byName: map[string]trace.TracerProvider{}})
	return batches.Shutdown, nil
}

// Tracer makes the spans of one service, which they name as service.name.
func Tracer(service string) trace.Tracer { return otel.Tracer(service) }

// providers gives every service of the process a provider of its own, since
// OpenTelemetry keeps a service's name on the provider, not on the tracer. All
// share one exporter.
type providers struct {
	embedded.TracerProvider
	service, version string
	spans            sdktrace.SpanProcessor

	mu     sync.Mutex
	byName map[string]trace.TracerProvider
}

func (p *providers) Tracer(service string, o ...trace.TracerOption) trace.Tracer {
	if service == "" {
		service = p.service
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	own, ok := p.byName[service]
	if !ok {
		own = sdktrace.NewTracerProvider(
			sdktrace.WithSpanProcessor(p.spans),
			sdktrace.WithResource(describe(service, p.version)))
		p.byName[service] = own
	}
	return own.Tracer("troupe", o...)
}

func describe(service, version string) *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.namespace", "troupe"),
		attribute.String("service.name", service),
		attribute.String("service.version", version))
}
