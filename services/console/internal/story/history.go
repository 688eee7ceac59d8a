package story

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// maxSteps is how many steps a story has at most, without those that are expected.
const maxSteps = 2000

// step is one step of a story while it is made.
type step struct {
	view.Step
	clock  string // of the instance whose clock has set the times
	ended  time.Time
	causes []*step

	event   *journal.Event   // of an emit
	attempt *journal.Attempt // of a handle
}

func (s *step) failed() bool {
	return s.attempt != nil && (s.attempt.Outcome == journal.Retry || s.attempt.Outcome == journal.Dead)
}

// delivery is what one consumer has to do with one event.
type delivery struct{ eventID, consumer string }

// history is what the records of an order contain, each thing once.
type history struct {
	orderID  string
	emits    []*step
	attempts []*step
	spans    []journal.Record
	lines    map[lineKey]journal.Record // of the log
	lost     int                        // records that the journal has dropped
	cut      int                        // attempts that are left out

	byEvent    map[string]*step
	deliveries map[delivery][]*step // the attempts, first to last
	unlinked   bool                 // a cause is not among the records
}

// read returns the history that the records contain.
func read(records []journal.Record) *history {
	h := &history{byEvent: map[string]*step{}, deliveries: map[delivery][]*step{}, lines: map[lineKey]journal.Record{}}
	attempts := map[attemptKey]journal.Record{}
	spans := map[string]journal.Record{}
	for _, r := range records {
		if r.OrderID != "" && (h.orderID == "" || r.OrderID < h.orderID) {
			h.orderID = r.OrderID
		}
		switch {
		case r.Event != nil:
			h.addEmit(r)
		case r.Attempt != nil:
			attempts[keyOf(r)] = r
		case r.Span != nil:
			spans[r.Span.TraceID+r.Span.SpanID] = r
		case r.Line != nil:
			h.lines[lineKeyOf(r)] = r
		case r.Kind == journal.Dropped:
			h.lost += max(r.Lost, 1)
		}
	}
	for _, r := range spans {
		h.spans = append(h.spans, r)
	}
	slices.SortFunc(h.emits, func(a, b *step) int { return cmp.Compare(a.EventID, b.EventID) })
	h.addAttempts(attempts)
	return h
}

func (h *history) all() []*step { return slices.Concat(h.emits, h.attempts) }

// addEmit adds an event. Of two records of the same event the one with the lesser instance
// counts, so that the order of the records does not matter.
func (h *history) addEmit(r journal.Record) {
	known := h.byEvent[r.Event.ID]
	if known != nil && known.clock <= clockOf(r) {
		return
	}
	if known == nil && len(h.emits) >= maxSteps/2 {
		h.cut++
		return
	}
	s := known
	if s == nil {
		s = &step{}
		h.byEvent[r.Event.ID] = s
		h.emits = append(h.emits, s)
	}
	*s = step{clock: clockOf(r), event: r.Event, ended: r.At, Step: view.Step{
		ID: r.Event.ID, Lane: r.Service, Kind: "emit", Type: r.Event.Type, EventID: r.Event.ID, Outcome: string(journal.OK),
		Label: r.Service + " publishes " + short(r.Event.Type), At: r.At, Data: r.Event.Data, TraceID: TraceOf(r.Event.Traceparent),
		Compensation: undoes(r.Event.Type),
	}}
}

// attemptKey distinguishes attempts.
type attemptKey struct {
	delivery
	n       int
	clock   string
	started int64
	outcome journal.Outcome
}

func keyOf(r journal.Record) attemptKey {
	a := r.Attempt
	return attemptKey{delivery{a.EventID, r.Service}, a.N, clockOf(r), a.StartedAt.UnixNano(), a.Outcome}
}

func clockOf(r journal.Record) string { return r.Service + " " + r.Instance }

// addAttempts adds the attempts, first to last for each consumer and event.
func (h *history) addAttempts(attempts map[attemptKey]journal.Record) {
	for key, r := range attempts {
		h.deliveries[key.delivery] = append(h.deliveries[key.delivery], handleStep(r))
	}
	room := max(maxSteps-len(h.emits), 0)
	each := max(room/max(len(h.deliveries), 1), 2)
	for d, steps := range h.deliveries {
		sortAttempts(steps)
		markRepeated(steps)
		number(steps)
		if len(attempts) > room && len(steps) > each { // the first and the last matter most
			h.cut += len(steps) - each
			steps = slices.Delete(steps, each/2, len(steps)-(each-each/2))
		}
		h.deliveries[d] = steps
		h.attempts = append(h.attempts, steps...)
	}
	slices.SortFunc(h.attempts, func(a, b *step) int { return cmp.Compare(a.ID, b.ID) })
}

// sortAttempts sorts the attempts of one consumer at one event. Their numbers begin again
// after a replay; then the times decide.
func sortAttempts(steps []*step) {
	seen := map[int]bool{}
	replayed := false
	for _, s := range steps {
		if s.attempt.Outcome != journal.Duplicate {
			replayed = replayed || seen[s.Attempt]
			seen[s.Attempt] = true
		}
	}
	slices.SortFunc(steps, func(a, b *step) int {
		byNumber := cmp.Compare(a.Attempt, b.Attempt)
		if replayed {
			byNumber = 0
		}
		return cmp.Or(byNumber, a.At.Compare(b.At), cmp.Compare(a.clock, b.clock), cmp.Compare(a.Outcome, b.Outcome))
	})
}

// markRepeated makes duplicates of the attempts that succeeded after the first that did:
// handlers whose own statements are idempotent do not know that an event came again.
func markRepeated(steps []*step) {
	succeeded := false
	for _, s := range steps {
		if s.attempt.Outcome != journal.OK {
			continue
		}
		if succeeded {
			again := *s.attempt
			again.Outcome = journal.Duplicate
			s.attempt, s.Outcome = &again, string(journal.Duplicate)
			s.Label += ": a duplicate, nothing was done"
		}
		succeeded = true
	}
}

// number makes the ids of the attempts of one consumer at one event.
func number(steps []*step) {
	used := map[string]int{}
	for _, s := range steps {
		id := s.EventID + "/" + s.Lane + "/" + strconv.Itoa(s.Attempt)
		used[id]++
		if used[id] > 1 {
			id += "/" + strconv.Itoa(used[id])
		}
		s.ID = id
	}
}

func handleStep(r journal.Record) *step {
	a := r.Attempt
	started := a.StartedAt
	if started.IsZero() {
		started = r.At
	}
	return &step{clock: clockOf(r), attempt: a, ended: started.Add(max(a.FinishedAt.Sub(started), 0)), Step: view.Step{
		Lane: r.Service, Kind: "handle", Type: a.Type, EventID: a.EventID, Outcome: string(a.Outcome), Attempt: a.N, Error: a.Error,
		Label: handleLabel(r.Service, *a), At: started, Took: max(a.FinishedAt.Sub(started), 0).Microseconds(), NextAt: a.NextAt,
		TraceID: TraceOf(a.Traceparent), Compensation: compensates(r.Service, a.Type),
	}}
}

func handleLabel(service string, a journal.Attempt) string {
	label := service + " handles " + short(a.Type)
	if a.N > 1 {
		label += fmt.Sprintf(", attempt %d", a.N)
	}
	switch a.Outcome {
	case journal.Duplicate:
		label += ": a duplicate, nothing was done"
	case journal.Retry:
		label += ": failed"
	case journal.Dead:
		label += ": failed and given up"
	case journal.OK:
	}
	return label
}

// TraceOf returns the trace id of a traceparent, "" if it is not one.
func TraceOf(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}

// complete reports whether every step that must have happened is among the records.
func (h *history) complete() bool { return h.lost == 0 && h.cut == 0 && !h.unlinked }

// notes returns what the reader of the story should know about it.
func (h *history) notes() (notes []string) {
	if h.cut > 0 {
		notes = append(notes, fmt.Sprintf("This order has %d more steps than are shown: those in the middle are left out.", h.cut))
	}
	if h.lost > 0 {
		notes = append(notes, "Records of this order are not in the journal, so steps may be missing.")
	}
	if h.unlinked {
		notes = append(notes, "Steps that led to those shown are not in the journal.")
	}
	return notes
}

// viewSpans returns the spans, the first to begin first.
func (h *history) viewSpans() []view.Span {
	spans := make([]view.Span, 0, len(h.spans))
	for _, r := range h.spans {
		s := r.Span
		spans = append(spans, view.Span{
			TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentID, Links: s.Links, Service: r.Service, Name: s.Name, Kind: s.Kind,
			StartedAt: s.StartedAt, Took: max(s.EndedAt.Sub(s.StartedAt), 0).Microseconds(), Error: s.Error, Attributes: s.Attributes,
		})
	}
	slices.SortFunc(spans, func(a, b view.Span) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.TraceID, b.TraceID), cmp.Compare(a.SpanID, b.SpanID))
	})
	return spans
}
