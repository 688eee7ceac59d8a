// Package traces keeps recent spans in memory, so that traces can be looked at where no
// other tool collects them.
package traces

import (
	"slices"
	"strings"
	"sync"
	"time"

	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

const (
	// maxBytes is about how much memory the spans take, at most. The oldest traces go first.
	maxBytes = 16 << 20
	// maxSpans is how many spans of one trace are kept.
	maxSpans = 2000
	// perSpan is what a span takes beside its texts, about.
	perSpan = 350
)

// Store keeps recent traces. It is safe for concurrent use.
type Store struct {
	mu    sync.Mutex
	byID  map[string]*trace
	order []*trace // the oldest first
	bytes int
}

type trace struct {
	id      string
	orderID string
	spans   []view.Span
	known   map[string]bool // by the id of the span
	bytes   int
}

// New returns a store without traces.
func New() *Store { return &Store{byID: map[string]*trace{}} }

// Add keeps the spans among the records.
func (s *Store) Add(records []journal.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		if r.Kind == journal.Finished && r.Span != nil {
			s.add(r)
		}
	}
	for s.bytes > maxBytes && len(s.order) > 0 {
		s.bytes -= s.order[0].bytes
		delete(s.byID, s.order[0].id)
		s.order[0] = nil // so that it is freed
		s.order = s.order[1:]
	}
}

func (s *Store) add(r journal.Record) {
	t := s.byID[r.Span.TraceID]
	if t == nil {
		t = &trace{id: r.Span.TraceID, known: map[string]bool{}}
		s.byID[t.id] = t
		s.order = append(s.order, t)
	}
	if t.orderID == "" {
		t.orderID = r.OrderID
	}
	if len(t.spans) >= maxSpans || t.known[r.Span.SpanID] { // a record can come twice
		return
	}
	t.known[r.Span.SpanID] = true
	span := SpanOf(r)
	size := sizeOf(span)
	t.spans = append(t.spans, span)
	t.bytes += size
	s.bytes += size
}

// SpanOf returns the span of a record as the console shows it.
func SpanOf(r journal.Record) view.Span {
	p := r.Span
	return view.Span{
		TraceID: p.TraceID, SpanID: p.SpanID, ParentID: p.ParentID, Links: p.Links, Service: r.Service, Name: p.Name, Kind: p.Kind,
		StartedAt: p.StartedAt, Took: p.EndedAt.Sub(p.StartedAt).Microseconds(), Error: p.Error, Attributes: p.Attributes,
	}
}

func sizeOf(s view.Span) int {
	size := perSpan + len(s.Name) + len(s.Service) + len(s.Error)
	for k, v := range s.Attributes {
		size += len(k) + len(v) + 32
	}
	for _, link := range s.Links {
		size += len(link) + 16
	}
	return size
}

// Filter selects traces.
type Filter struct {
	Text   string        // in the id of the trace or the order, or in the name, the service or the error of a span
	Errors bool          // only those with a span that failed
	Slow   time.Duration // only those that took at least so long
}

// List returns at most limit traces, the newest first.
func (s *Store) List(f Filter, limit int) []view.TraceSummary {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []view.TraceSummary{}
	for _, t := range slices.Backward(s.order) {
		if summary := t.summary(); f.matches(t, summary) {
			if list = append(list, summary); len(list) == limit {
				break
			}
		}
	}
	return list
}

// Get returns the spans of a trace in the order in which they began, nil if it is not kept.
func (s *Store) Get(id string) []view.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byID[id]
	if t == nil {
		return nil
	}
	spans := slices.Clone(t.spans)
	slices.SortStableFunc(spans, func(a, b view.Span) int { return a.StartedAt.Compare(b.StartedAt) })
	return spans
}

// OfOrder returns the spans of an order as records of the journal, at most limit: those of
// the traces that are about it, and of those with the ids.
func (s *Store) OfOrder(orderID string, ids map[string]bool, limit int) (records []journal.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.order {
		if t.orderID != orderID && !ids[t.id] {
			continue
		}
		for _, span := range t.spans {
			if len(records) == limit {
				return records
			}
			records = append(records, recordOf(orderID, span))
		}
	}
	return records
}

// recordOf is the reverse of SpanOf.
func recordOf(orderID string, s view.Span) journal.Record {
	ended := s.StartedAt.Add(time.Duration(s.Took) * time.Microsecond)
	return journal.Record{Kind: journal.Finished, At: ended, Service: s.Service, OrderID: orderID, Span: &journal.Span{
		TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentID, Links: s.Links, Name: s.Name, Kind: s.Kind,
		StartedAt: s.StartedAt, EndedAt: ended, Error: s.Error, Attributes: s.Attributes,
	}}
}

// summary returns the line of the trace in a list. Its name is that of its first span.
func (t *trace) summary() view.TraceSummary {
	v := view.TraceSummary{TraceID: t.id, OrderID: t.orderID, Spans: len(t.spans)}
	var end time.Time
	for i, span := range t.spans {
		if i == 0 || span.StartedAt.Before(v.StartedAt) {
			v.StartedAt, v.Name, v.Service = span.StartedAt, span.Name, span.Service
		}
		if ended := span.StartedAt.Add(time.Duration(span.Took) * time.Microsecond); ended.After(end) {
			end = ended
		}
		if span.Error != "" {
			v.Errors++
		}
	}
	v.Took = end.Sub(v.StartedAt).Microseconds()
	return v
}

func (f Filter) matches(t *trace, v view.TraceSummary) bool {
	if f.Errors && v.Errors == 0 || time.Duration(v.Took)*time.Microsecond < f.Slow {
		return false
	}
	return f.Text == "" || strings.Contains(t.id, f.Text) || strings.Contains(t.orderID, f.Text) ||
		slices.ContainsFunc(t.spans, func(s view.Span) bool {
			return strings.Contains(s.Name, f.Text) || strings.Contains(s.Service, f.Text) || strings.Contains(s.Error, f.Text)
		})
}
