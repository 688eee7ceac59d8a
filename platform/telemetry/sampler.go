package telemetry

import (
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// newTraces is how many new traces a second are recorded if spans are not exported.
const newTraces = 10

// someTraces is a sampler that records a limited number of new traces a second.
type someTraces struct {
	now func() time.Time

	mu   sync.Mutex
	from time.Time // the second that is counted
	n    int
}

// ShouldSample implements sdktrace.Sampler.
func (s *someTraces) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	r := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if since := now.Sub(s.from); since < 0 || since >= time.Second {
		s.from, s.n = now, 0
	}
	if s.n++; s.n <= newTraces {
		r.Decision = sdktrace.RecordAndSample
	}
	return r
}

// isExhausted reports whether no further trace is recorded in this second.
func (s *someTraces) isExhausted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.now().Sub(s.from)
	return s.n >= newTraces && since >= 0 && since < time.Second
}

// Description implements sdktrace.Sampler.
func (*someTraces) Description() string { return "SomeTraces" }
