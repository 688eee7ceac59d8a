package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// humanHandler is a slog.Handler that writes a line as a person reads it: the time, the level,
// the service, what happened, and the details as name=value.
//
//	12:01:02.123 INFO  orders        request method=POST path=/orders status=201
type humanHandler struct {
	out     *humanOutput
	service string
	details slog.Handler // writes to out.line
}

// humanOutput is shared by all handlers of a log.
type humanOutput struct {
	to    io.Writer
	level slog.Leveler

	mu   sync.Mutex
	line bytes.Buffer
}

// serviceWidth is the width of the column with the service: that of the longest name.
const serviceWidth = len("notifications")

func newHumanHandler(w io.Writer, level slog.Leveler) slog.Handler {
	out := &humanOutput{to: w, level: level}
	return humanHandler{out: out, details: slog.NewTextHandler(&out.line, &slog.HandlerOptions{Level: level, ReplaceAttr: leaveOutHead})}
}

// leaveOutHead leaves out what the beginning of the line has.
func leaveOutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

func (h humanHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.out.level.Level()
}

func (h humanHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	line := &h.out.line
	line.Reset()
	line.WriteString(r.Time.Format("15:04:05.000 "))
	writePadded(line, r.Level.String(), len("ERROR"))
	writePadded(line, h.service, serviceWidth)
	line.WriteString(strings.NewReplacer("\n", " ", "\r", " ").Replace(r.Message))
	line.WriteByte(' ')
	if err := h.details.Handle(ctx, r); err != nil {
		return err
	}
	text := append(bytes.TrimRight(line.Bytes(), " \n"), '\n')
	_, err := h.out.to.Write(text)
	return err
}

func writePadded(line *bytes.Buffer, word string, width int) {
	line.WriteString(word)
	for range max(width-len(word), 0) + 1 {
		line.WriteByte(' ')
	}
}

func (h humanHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var others []slog.Attr
	for _, a := range attrs {
		if a.Key == "service" {
			h.service = a.Value.String()
			continue
		}
		others = append(others, a)
	}
	h.details = h.details.WithAttrs(others)
	return h
}

func (h humanHandler) WithGroup(name string) slog.Handler {
	h.details = h.details.WithGroup(name)
	return h
}
