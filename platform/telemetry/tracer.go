package telemetry

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
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
	// newRoots decides about traces that begin here; nil if spans are exported.
	newRoots atomic.Pointer[someTraces]
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
	switch parent := trace.SpanContextFromContext(ctx); {
	case parent.IsValid():
		if !parent.IsSampled() && parentDecides.Load() {
			return ctx, trace.SpanFromContext(ctx)
		}
	case isExhausted(newRoots.Load()):
		ctx = trace.ContextWithSpanContext(ctx, unrecorded())
		return ctx, trace.SpanFromContext(ctx)
	}
	return otel.Tracer(t.service).Start(ctx, name, o...)
}

// tracers has the tracer of each provider: it is needed for every span.
var tracers sync.Map

// tracerOf returns a tracer of the service that has begun a span.
func tracerOf(span trace.Span) trace.Tracer {
	provider := span.TracerProvider()
	if known, ok := tracers.Load(provider); ok {
		return known.(trace.Tracer)
	}
	t := provider.Tracer("troupe")
	tracers.Store(provider, t)
	return t
}

func isExhausted(s *someTraces) bool { return s != nil && s.isExhausted() }

// unrecorded returns the context of a new trace of which nothing is recorded. It is passed on,
// so that the services which are called begin no trace of their own.
func unrecorded() trace.SpanContext {
	var ids [24]byte
	for i := 0; i < len(ids); i += 8 {
		binary.NativeEndian.PutUint64(ids[i:], rand.Uint64())
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(ids[:16]), SpanID: trace.SpanID(ids[16:])})
}
