// Package telemetry makes what the system does visible: traces by OTLP, logs
// that name their trace and request, and the trace context that travels with
// requests and events.
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

// Start sends spans by OTLP/HTTP to OTEL_EXPORTER_OTLP_ENDPOINT; without that
// variable, or with OTEL_SDK_DISABLED=true, spans are made nowhere and cost next
// to nothing, while trace contexts still travel through. The exporter and the
// sampler heed the other standard OTEL_ variables of the process. service names
// the spans of a tracer that has no name of its own. shutdown sends what is left.
//
// Call it once in a process: it sets OpenTelemetry's globals, because libraries
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

// Tracer makes the spans of one service, which they carry as service.name. It may
// be taken before Start.
func Tracer(service string) trace.Tracer { return otel.Tracer(service) }

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
