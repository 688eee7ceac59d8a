package traces_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/services/console/internal/traces"
	"troupe/services/console/internal/view"
)

var began = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// span returns the record of a span that began after so many milliseconds and took ten.
func span(trace, id, parent, service, name string, after int, failure string) journal.Record {
	start := began.Add(time.Duration(after) * time.Millisecond)
	return journal.Record{Kind: journal.Finished, Service: service, OrderID: "order-of-" + trace, Span: &journal.Span{
		TraceID: trace, SpanID: id, ParentID: parent, Name: name, StartedAt: start, EndedAt: start.Add(10 * time.Millisecond), Error: failure,
	}}
}

func ids(list []view.TraceSummary) (ids []string) {
	for _, t := range list {
		ids = append(ids, t.TraceID)
	}
	return ids
}

func TestATraceIsPutTogetherFromItsSpans(t *testing.T) {
	t.Parallel()
	s := traces.New()
	s.Add([]journal.Record{span("t1", "b", "a", "payments", "charge", 20, "card declined"), {Kind: journal.Published}})
	s.Add([]journal.Record{span("t1", "a", "", "gateway", "POST /orders", 0, "")})
	require.Equal(t, []view.TraceSummary{{
		TraceID: "t1", Name: "POST /orders", Service: "gateway", OrderID: "order-of-t1", StartedAt: began, Took: 30_000, Spans: 2, Errors: 1,
	}}, s.List(traces.Filter{}, 10))
	spans := s.Get("t1")
	require.Equal(t, "a", spans[0].SpanID)
	require.Equal(t, "a", spans[1].ParentID)
	require.Nil(t, s.Get("t2"))
}

func TestTracesAreFound(t *testing.T) {
	t.Parallel()
	s := traces.New()
	s.Add([]journal.Record{
		span("t1", "a", "", "gateway", "POST /orders", 0, ""),
		span("t2", "a", "", "gateway", "GET /products", 0, "timeout"),
		span("t3", "a", "", "gateway", "POST /orders", 0, ""), span("t3", "b", "a", "payments", "charge", 2000, ""),
	})
	for want, f := range map[string]traces.Filter{
		"[t3 t2 t1]": {}, "[t2]": {Errors: true}, "[t3]": {Slow: time.Second}, "[t3 t1]": {Text: "POST"}, "[t1]": {Text: "order-of-t1"}, "[]": {Text: "nothing"},
	} {
		require.Equal(t, want, fmt.Sprint(ids(s.List(f, 10))))
	}
	require.Equal(t, "[t3 t2]", fmt.Sprint(ids(s.List(traces.Filter{}, 2))))
}

func TestTheOldestTracesAreForgotten(t *testing.T) {
	t.Parallel()
	s := traces.New()
	for n := range 200 {
		s.Add([]journal.Record{span(fmt.Sprintf("t%03d", n), "a", "", "gateway", strings.Repeat("x", 200_000), 0, "")})
	}
	list := s.List(traces.Filter{}, 1000)
	require.Less(t, len(list), 90, "16 MB")
	require.Greater(t, len(list), 70)
	require.Equal(t, "t199", list[0].TraceID)
	require.Nil(t, s.Get("t000"))
}

func TestALongTraceIsCut(t *testing.T) {
	t.Parallel()
	s := traces.New()
	for n := range 3000 {
		s.Add([]journal.Record{span("t1", fmt.Sprint(n), "", "gateway", "x", n, "")})
	}
	require.Len(t, s.Get("t1"), 2000)
}

// A broker may deliver a message twice.
func TestASpanThatComesTwiceIsShownOnce(t *testing.T) {
	t.Parallel()
	s := traces.New()
	s.Add([]journal.Record{span("t1", "a", "", "gateway", "POST /orders", 0, ""), span("t1", "b", "a", "orders", "POST /orders", 1, "")})
	s.Add([]journal.Record{span("t1", "a", "", "gateway", "POST /orders", 0, "")})
	require.Len(t, s.Get("t1"), 2)
}
