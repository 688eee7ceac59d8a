package telemetry

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

var (
	// recording is whether spans are recorded in this process.
	recording atomic.Bool
	// parentDecides is whether a span is recorded if and only if its parent is.
	parentDecides atomic.Bool
)

// Tracer returns a tracer for one service; its spans carry the name as
// service.name. It may be called before Start.
func Tracer(service string) trace.Tracer { return tracer{service: service} }

// tracer begins no span where none would be recorded: one of OpenTelemetry's that records
// nothing still costs several allocations.
type tracer struct {
	embedded.Tracer
	service string
}

// Start begins a span, or returns the caller's one if none is recorded: so its context is
// passed on.
func (t tracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !recording.Load() {
		return ctx, trace.SpanFromContext(ctx)
	}
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsSampled() && parentDecides.Load() {
		return ctx, trace.SpanFromContext(ctx)
	}
	return otel.Tracer(t.service).Start(ctx, name, o...)
}
