package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// providers is a TracerProvider that keeps one provider for each service in the
// process, because OpenTelemetry keeps the service name on the provider, not on the
// tracer. All of them share one exporter.
type providers struct {
	embedded.TracerProvider
	service, version string
	spans            sdktrace.SpanProcessor

	mu     sync.Mutex
	byName map[string]trace.TracerProvider
}

func newProviders(service, version string, spans sdktrace.SpanProcessor) *providers {
	return &providers{service: service, version: version, spans: spans, byName: map[string]trace.TracerProvider{}}
}

// Tracer returns a tracer of the named service: it takes the name of the tracer for
// the name of the service.
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

// describe returns the resource attributes of a service, named after OpenTelemetry's
// semantic conventions.
func describe(service, version string) *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.namespace", "troupe"),
		attribute.String("service.name", service),
		attribute.String("service.version", version))
}
