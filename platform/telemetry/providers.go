package telemetry

import (
	"sync"
	"time"

	"go.opentelemetry.io/otel"
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
	spans            sdktrace.SpanProcessor // exports; nil if nothing is exported
	sampler          sdktrace.Sampler       // nil: that of the standard variables

	mu     sync.Mutex
	byName map[string]trace.Tracer // of each service
}

func newProviders(service, version string, spans sdktrace.SpanProcessor) *providers {
	return &providers{service: service, version: version, spans: spans, byName: map[string]trace.Tracer{}}
}

// Tracer returns a tracer of the named service: it takes the name of the tracer for
// the name of the service. It is asked for every span, so the tracers are kept.
func (p *providers) Tracer(service string, _ ...trace.TracerOption) trace.Tracer {
	if service == "" {
		service = p.service
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	own, ok := p.byName[service]
	if !ok {
		own = p.newProvider(service).Tracer("troupe")
		p.byName[service] = own
	}
	return own
}

func (p *providers) newProvider(service string) trace.TracerProvider {
	o := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(describe(service, p.version)),
		sdktrace.WithSpanProcessor(endedSpans{service}),
	}
	if p.spans != nil {
		o = append(o, sdktrace.WithSpanProcessor(p.spans))
	}
	if p.sampler != nil {
		o = append(o, sdktrace.WithSampler(p.sampler))
	}
	return sdktrace.NewTracerProvider(o...)
}

// describe returns the resource attributes of a service, named after OpenTelemetry's
// semantic conventions.
func describe(service, version string) *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.namespace", "troupe"),
		attribute.String("service.name", service),
		attribute.String("service.version", version))
}

// installed is what the process records spans with.
var installed struct {
	mu      sync.Mutex
	version string // of the program
	exports bool
	own     bool // the provider of the listeners is installed
}

// rememberVersion stores the version of the program for spans.
func rememberVersion(version string) {
	installed.mu.Lock()
	defer installed.mu.Unlock()
	installed.version = version
}

// install makes p, which exports spans, the provider of the process.
func install(p *providers, sampledByParent bool) {
	installed.mu.Lock()
	defer installed.mu.Unlock()
	otel.SetTracerProvider(p)
	parentDecides.Store(sampledByParent)
	newRoots.Store(nil)
	installed.exports = true
	recording.Store(true)
}

// recordForListeners has spans recorded while there are listeners, if they are not recorded
// to be exported.
func recordForListeners() {
	installed.mu.Lock()
	defer installed.mu.Unlock()
	if installed.exports {
		return
	}
	if !installed.own {
		p := newProviders("troupe", installed.version, nil)
		roots := &someTraces{now: time.Now}
		p.sampler = sdktrace.ParentBased(roots)
		newRoots.Store(roots)
		otel.SetTracerProvider(p)
		parentDecides.Store(true)
		installed.own = true
	}
	listeners.mu.RLock()
	defer listeners.mu.RUnlock()
	recording.Store(len(listeners.all) > 0)
}
