package journal

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"troupe/platform/telemetry"
)

const (
	longestText = 2000 // bytes of a text of a line
	mostDetails = 20   // of a line
	orderKey    = "order_id"
	eventKey    = "event_id"
)

// Logger returns a logger that writes to log and records the lines about an order: those
// at the level INFO and above that have the attribute order_id, or whose context has it
// by about. It is log itself on a nil Recorder.
func (r *Recorder) Logger(log *slog.Logger, about func(context.Context) []slog.Attr) *slog.Logger {
	if r == nil {
		return log
	}
	return slog.New(lineHandler{Handler: log.Handler(), recorder: r, about: about})
}

// lineHandler is a slog.Handler that records lines about orders.
type lineHandler struct {
	slog.Handler
	recorder *Recorder
	about    func(context.Context) []slog.Attr
	attrs    []slog.Attr // of every line
}

func (h lineHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo && h.recorder.On() {
		h.record(ctx, r)
	}
	return h.Handler.Handle(ctx, r)
}

func (h lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(slices.Clip(h.attrs), attrs...)
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

func (h lineHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// record records the line if it is about an order that the journal keeps.
func (h lineHandler) record(ctx context.Context, r slog.Record) {
	order := ""
	each := func(f func(slog.Attr) bool) {
		for _, attrs := range [][]slog.Attr{h.attrs, h.about(ctx)} {
			for _, a := range attrs {
				f(a)
			}
		}
		r.Attrs(f)
	}
	each(func(a slog.Attr) bool {
		if a.Key == orderKey {
			order = a.Value.String()
		}
		return true
	})
	if order == "" || !h.recorder.Keeps(order) {
		return
	}
	line := &Line{Level: r.Level.String(), Text: cut(r.Message), Traceparent: telemetry.Traceparent(ctx), Details: map[string]string{}}
	each(line.add)
	h.recorder.add(Record{Kind: Logged, At: r.Time, OrderID: order, Line: line})
}

// add adds an attribute of the log to the line.
func (l *Line) add(a slog.Attr) bool {
	value := a.Value.Resolve().String()
	switch a.Key {
	case orderKey, "service":
	case eventKey:
		l.EventID = value
	default:
		if len(l.Details) < mostDetails {
			l.Details[a.Key] = cut(value)
		}
	}
	return true
}

// cut returns at most so much of a text as a line has room for.
func cut(text string) string {
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText], "") + "…"
}

// size returns about how many bytes the line holds.
func (l *Line) size() int {
	size := len(l.Text)
	for name, value := range l.Details {
		size += len(name) + len(value) + 32
	}
	return size
}
