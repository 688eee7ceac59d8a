// Package telemetry sets up tracing and logging: traces are exported by OTLP, log
// lines carry the ids of their trace and request, and the trace context travels
// with requests and events.
package telemetry

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const endpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT"

// Start exports spans by OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT. Without that
// variable, or with OTEL_SDK_DISABLED=true, no spans are recorded and tracing costs
// next to nothing, while trace contexts are still passed on. The exporter and the
// sampler read the other standard OTEL_ variables of the process. service is the
// service name of spans whose tracer has no name. shutdown exports the spans that
// are left.
//
// Call Start once in a process: it sets OpenTelemetry's globals, because libraries
// look for the provider and the propagator nowhere else.
func Start(ctx context.Context, service, version string, getenv func(string) string) (shutdown func(context.Context) error, err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	endpoint := getenv(endpointVariable)
	if endpoint == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return func(context.Context) error { return nil }, nil
	}
	p, err := export(ctx, service, version, endpoint)
	if err != nil {
		return nil, err
	}
	otel.SetTracerProvider(p)
	return p.spans.Shutdown, nil
}

// Tracer returns a tracer for one service; its spans carry the name as
// service.name. It may be called before Start.
func Tracer(service string) trace.Tracer { return otel.Tracer(service) }

// export returns providers whose spans are sent to the OTLP endpoint.
func export(ctx context.Context, service, version, endpoint string) (*providers, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s must be a URL like http://localhost:4318, not %q", endpointVariable, endpoint)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.JoinPath("v1/traces").String()))
	if err != nil {
		return nil, fmt.Errorf("start tracing to %s: %w", endpoint, err)
	}
	return newProviders(service, version, sdktrace.NewBatchSpanProcessor(exporter)), nil
}
