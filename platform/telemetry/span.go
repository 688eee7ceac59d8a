package telemetry

import (
	"context"
	"encoding/hex"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// The kinds of spans.
const (
	Internal = trace.SpanKindInternal
	Client   = trace.SpanKindClient
	Producer = trace.SpanKindProducer
	Consumer = trace.SpanKindConsumer
)

// Span is a piece of work, recorded in each trace that it is part of: work for a batch of
// events is part of several. A nil Span records nothing, and all its methods do nothing. One
// goroutine at a time may use it.
type Span struct {
	spans      []trace.Span
	attributes []attribute.KeyValue // set at the end, all at once: each call copies and locks
}

// usualAttributes is how many attributes most spans have at most.
const usualAttributes = 10

// ofKind are the options of the spans of each kind that have no links.
var ofKind = func() (all [trace.SpanKindConsumer + 1][]trace.SpanStartOption) {
	for kind := range all {
		all[kind] = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKind(kind))}
	}
	return all
}()

type spanKey struct{}

// Recording reports whether any spans are recorded in this process.
func Recording() bool { return recording.Load() }

// StartSpan begins a span below that of ctx. It returns nil if that one is not recorded.
func StartSpan(ctx context.Context, kind trace.SpanKind, name string) (context.Context, *Span) {
	if !recording.Load() {
		return ctx, nil
	}
	if parents, _ := ctx.Value(spanKey{}).(*Span); parents != nil {
		s := &Span{}
		for _, p := range parents.spans {
			s.begin(trace.ContextWithSpan(ctx, p), tracerOf(p), kind, name, nil)
		}
		return context.WithValue(ctx, spanKey{}, s), s
	}
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	ctx, span := tracerOf(parent).Start(ctx, name, ofKind[kind]...)
	return ctx, &Span{spans: []trace.Span{span}}
}

// ContinueSpans begins a span of a service in each of the traces of the trace contexts, which
// were stored with events. It is below the first context of its trace, and linked to the
// further ones. It returns nil if none of the traces is recorded. Work done with the returned
// context is part of all these traces, but what it publishes continues none of them.
func ContinueSpans(ctx context.Context, service string, kind trace.SpanKind, name string, traceparents ...string) (context.Context, *Span) {
	if !recording.Load() {
		return ctx, nil
	}
	traces := recordedTraces(traceparents)
	if len(traces) == 0 {
		return ctx, nil
	}
	s := &Span{}
	tracer := otel.Tracer(service)
	for _, contexts := range traces {
		s.begin(trace.ContextWithRemoteSpanContext(ctx, contexts[0]), tracer, kind, name, contexts[1:])
	}
	if len(s.spans) == 0 {
		return ctx, nil
	}
	return context.WithValue(ctx, spanKey{}, s), s
}

// recordedTraces returns the trace contexts of each trace that is recorded, in their order.
func recordedTraces(traceparents []string) (traces [][]trace.SpanContext) {
	var at map[trace.TraceID]int
	for _, parent := range traceparents {
		if !isSampled(parent) {
			continue
		}
		sc, ok := parse(parent)
		if !ok {
			continue
		}
		if len(traceparents) == 1 {
			return [][]trace.SpanContext{{sc}}
		}
		if at == nil {
			at = map[trace.TraceID]int{}
		}
		i, ok := at[sc.TraceID()]
		if !ok {
			i = len(traces)
			at[sc.TraceID()] = i
			traces = append(traces, nil)
		}
		traces[i] = append(traces[i], sc)
	}
	return traces
}

// NewTrace begins a span of a service in a trace of its own, linked to a trace context: work
// that is done again so late, or because an operator wants it, that it is another story. It
// returns nil if that trace was not recorded.
func NewTrace(ctx context.Context, service string, kind trace.SpanKind, name, traceparent string) (context.Context, *Span) {
	if !recording.Load() || !isSampled(traceparent) {
		return ctx, nil
	}
	cause, ok := parse(traceparent)
	if !ok {
		return ctx, nil
	}
	_, span := otel.Tracer(service).Start(ctx, name, trace.WithSpanKind(kind), trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: cause}))
	if !span.IsRecording() {
		return ctx, nil
	}
	s := &Span{spans: []trace.Span{span}}
	return context.WithValue(ctx, spanKey{}, s), s
}

// Together returns a context for work on behalf of all the spans. Nil ones are left out.
func Together(ctx context.Context, spans ...*Span) context.Context {
	var all []trace.Span
	for _, s := range spans {
		if s != nil {
			all = append(all, s.spans...)
		}
	}
	if len(all) == 0 {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, &Span{spans: all})
}

// begin adds a span. All but the first are linked to the first.
func (s *Span) begin(ctx context.Context, tracer trace.Tracer, kind trace.SpanKind, name string, others []trace.SpanContext) {
	var links []trace.Link
	for _, other := range others {
		links = append(links, trace.Link{SpanContext: other})
	}
	if len(s.spans) > 0 {
		links = append(links, trace.Link{SpanContext: s.spans[0].SpanContext()})
	}
	options := ofKind[kind]
	if len(links) > 0 {
		options = append(slices.Clip(options), trace.WithLinks(links...))
	}
	_, span := tracer.Start(ctx, name, options...)
	if span.IsRecording() {
		s.spans = append(s.spans, span)
	}
}

// LinkTo links s to a span beside it, such as the first of the same batch.
func (s *Span) LinkTo(other *Span) {
	if s == nil || other == nil || s == other {
		return
	}
	for _, span := range s.spans {
		span.AddLink(trace.Link{SpanContext: other.spans[0].SpanContext()})
	}
}

// Set sets an attribute.
func (s *Span) Set(key, value string) { s.set(attribute.String(key, value)) }

// SetInt sets an attribute that is a number.
func (s *Span) SetInt(key string, value int) { s.set(attribute.Int(key, value)) }

func (s *Span) set(a attribute.KeyValue) {
	if s == nil {
		return
	}
	if s.attributes == nil {
		s.attributes = make([]attribute.KeyValue, 0, usualAttributes)
	}
	s.attributes = append(s.attributes, a)
}

// Fail marks the span as failed. errorType is a word of a small set, and description a
// sentence for people.
func (s *Span) Fail(errorType, description string) {
	if s == nil {
		return
	}
	s.Set("error.type", errorType)
	for _, span := range s.spans {
		span.SetStatus(codes.Error, description)
	}
}

// End ends the span.
func (s *Span) End() {
	if s == nil {
		return
	}
	for _, span := range s.spans {
		span.SetAttributes(s.attributes...)
		span.End()
	}
}

// Traceparent returns the trace context of the first span, "" for nil.
func (s *Span) Traceparent() string {
	if s == nil {
		return ""
	}
	return format(s.spans[0].SpanContext())
}

// format returns a span context as a traceparent.
func format(sc trace.SpanContext) string {
	id, span := sc.TraceID(), sc.SpanID()
	b := make([]byte, 0, 55)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, id[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, span[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, []byte{byte(sc.TraceFlags() & trace.FlagsSampled)})
	return string(b)
}
