package story

import (
	"cmp"
	"slices"

	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// maxLines is how many lines of the log a story has at most, the newest.
const maxLines = 500

// lineKey distinguishes lines of the log.
type lineKey struct {
	clock, service, text string
	at                   int64
}

func lineKeyOf(r journal.Record) lineKey {
	return lineKey{clockOf(r), r.Service, r.Line.Text, r.At.UnixNano()}
}

// viewLines returns the lines of the log, the oldest first.
func (h *history) viewLines() []view.Line {
	lines := make([]view.Line, 0, len(h.lines))
	for _, r := range h.lines {
		l := r.Line
		lines = append(lines, view.Line{
			At: r.At, Service: r.Service, Level: l.Level, Text: l.Text, EventID: l.EventID, TraceID: TraceOf(l.Traceparent), Details: l.Details,
		})
	}
	slices.SortFunc(lines, func(a, b view.Line) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Text, b.Text))
	})
	return lines[max(len(lines)-maxLines, 0):]
}
