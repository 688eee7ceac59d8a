package telemetry

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Ended is a span that has ended.
type Ended struct {
	Service    string
	TraceID    string
	SpanID     string
	ParentID   string   // "" for the first span of a trace
	Links      []string // the ids of other traces, or of this one
	Name       string
	Kind       string // internal, server, client, producer, consumer
	StartedAt  time.Time
	EndedAt    time.Time
	Error      string
	Attributes map[string]string
}

// EndingSpan is a span that ends. To describe a span costs more than to record it, so it is
// asked first what decides whether that is needed.
type EndingSpan struct {
	Service string
	span    sdktrace.ReadOnlySpan
}

// TraceID returns the id of the trace.
func (s EndingSpan) TraceID() string { return s.span.SpanContext().TraceID().String() }

// Failed reports whether the span has the status of an error.
func (s EndingSpan) Failed() bool { return s.span.Status().Code == codes.Error }

// Attribute returns the value of an attribute, "" if the span has none with the key.
func (s EndingSpan) Attribute(key string) string {
	for _, a := range s.span.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// OnEnd has f called with every recorded span of this process when it ends, until the
// returned function is called. f must be quick. If spans are not exported, it makes some be
// recorded: the whole of up to newTraces new traces each second.
func OnEnd(f func(EndingSpan)) (remove func()) {
	listener := &f
	listeners.mu.Lock()
	listeners.all = append(slices.Clone(listeners.all), listener)
	listeners.mu.Unlock()
	recordForListeners()
	return func() {
		listeners.mu.Lock()
		listeners.all = slices.DeleteFunc(slices.Clone(listeners.all), func(l *func(EndingSpan)) bool { return l == listener })
		listeners.mu.Unlock()
		recordForListeners()
	}
}

// listeners are the functions that OnEnd was given. The list is never changed in place.
var listeners struct {
	mu  sync.RWMutex
	all []*func(EndingSpan)
}

// endedSpans is a span processor that passes on the spans of one service.
type endedSpans struct{ service string }

func (endedSpans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func (p endedSpans) OnEnd(span sdktrace.ReadOnlySpan) {
	listeners.mu.RLock()
	all := listeners.all
	listeners.mu.RUnlock()
	if len(all) == 0 || !span.SpanContext().IsSampled() {
		return
	}
	for _, f := range all {
		(*f)(EndingSpan{p.service, span})
	}
}

func (endedSpans) Shutdown(context.Context) error { return nil }

func (endedSpans) ForceFlush(context.Context) error { return nil }

// Describe returns what the span has recorded.
func (s EndingSpan) Describe() Ended {
	span := s.span
	e := Ended{
		Service: s.Service, TraceID: s.TraceID(), SpanID: span.SpanContext().SpanID().String(),
		Name: span.Name(), Kind: strings.TrimSpace(span.SpanKind().String()), StartedAt: span.StartTime(), EndedAt: span.EndTime(),
	}
	if span.Parent().SpanID().IsValid() {
		e.ParentID = span.Parent().SpanID().String()
	}
	for _, link := range span.Links() {
		e.Links = append(e.Links, link.SpanContext.TraceID().String())
	}
	if status := span.Status(); status.Code == codes.Error {
		e.Error = status.Description
		if e.Error == "" {
			e.Error = "failed"
		}
	}
	if attributes := span.Attributes(); len(attributes) > 0 {
		e.Attributes = make(map[string]string, len(attributes))
		for _, a := range attributes {
			e.Attributes[string(a.Key)] = a.Value.String()
		}
	}
	return e
}
