package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/trace"
)

// Format is the format of log lines.
type Format string

// The formats.
const (
	Auto Format = "auto" // Text on a terminal, JSON elsewhere
	Text Format = "text"
	JSON Format = "json"
)

// UnmarshalText reads a setting. The error for an unknown format names the known ones.
func (f *Format) UnmarshalText(text []byte) error {
	switch got := Format(text); got {
	case Auto, Text, JSON:
		*f = got
		return nil
	}
	return fmt.Errorf("unknown log format %q: use auto, text or json", text)
}

// Logger returns a logger that writes lines of the given level and above to w. A
// line logged with a context carries the context's request_id, trace_id and span_id, and what
// the functions more return for it.
func Logger(w io.Writer, level slog.Leveler, format Format, more ...func(context.Context) []slog.Attr) *slog.Logger {
	if format.On(w) == Text {
		return slog.New(contextual{newHumanHandler(w, level), more})
	}
	return slog.New(contextual{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), more})
}

// On returns the format for lines written to w: Text or JSON.
func (f Format) On(w io.Writer) Format {
	if f == Text || f != JSON && isTerminal(w) {
		return Text
	}
	return JSON
}

// isTerminal reports whether w is a terminal, where a person reads along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// contextual is a slog.Handler that adds the ids in the context to each record.
type contextual struct {
	slog.Handler
	more []func(context.Context) []slog.Attr
}

func (h contextual) Handle(ctx context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, 8) // added together, because each addition may allocate
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		attrs = append(attrs, slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	for _, more := range h.more {
		attrs = append(attrs, more(ctx)...)
	}
	r.AddAttrs(attrs...)
	return h.Handler.Handle(ctx, r)
}

func (h contextual) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextual{h.Handler.WithAttrs(attrs), h.more}
}

func (h contextual) WithGroup(name string) slog.Handler {
	return contextual{h.Handler.WithGroup(name), h.more}
}

type requestIDKey struct{}

// WithRequestID returns a context for work on behalf of the request with that id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id set by WithRequestID, "" if there is none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
