package telemetry

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Traceparent returns the W3C trace context of ctx, to be stored or sent along with
// an event or a request. It is "" if ctx belongs to no trace.
func Traceparent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	return format(sc)
}

// WithTraceparent is the reverse of Traceparent: work done with the returned
// context continues that trace. If traceparent is not valid, ctx is returned
// unchanged.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	sc, ok := parse(traceparent)
	if !ok {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

// parse reads a traceparent: version-trace-span-flags. Versions after 00 may append
// more fields, which are ignored.
func parse(s string) (trace.SpanContext, bool) {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" {
		return trace.SpanContext{}, false
	}
	if len(s) > 55 && (s[:2] == "00" || s[55] != '-') {
		return trace.SpanContext{}, false
	}
	var b [26]byte
	for _, part := range []struct{ from, to, at int }{{0, 2, 0}, {3, 35, 1}, {36, 52, 17}, {53, 55, 25}} {
		if !lowerHex(b[part.at:], s[part.from:part.to]) {
			return trace.SpanContext{}, false
		}
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID(b[1:17]),
		SpanID:     trace.SpanID(b[17:25]),
		TraceFlags: trace.TraceFlags(b[25]) & trace.FlagsSampled,
		Remote:     true,
	})
	return sc, sc.IsValid()
}

// lowerHex decodes s into the slice, and reports whether s is hexadecimal in lower
// case, as the standard demands.
func lowerHex(into []byte, s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(into, []byte(s))
	return err == nil
}

// isSampled reports whether a traceparent has the flag of traces that are recorded. Most have
// not, and need not be read.
func isSampled(s string) bool { return len(s) >= 55 && strings.IndexByte("13579bdf", s[54]) >= 0 }

// RecordedTrace returns the id of the trace of a traceparent if it is recorded, else "".
func RecordedTrace(traceparent string) string {
	if !recording.Load() || !isSampled(traceparent) {
		return ""
	}
	if sc, ok := parse(traceparent); ok {
		return sc.TraceID().String()
	}
	return ""
}
