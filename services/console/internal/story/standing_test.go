package story_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/events"
	"troupe/patterns/journal"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

// standingsOf returns how the order stood before and after the first step with the label.
func standingsOf(t *testing.T, o view.Order, label string) (before, after *view.Standing) {
	t.Helper()
	i := slices.IndexFunc(o.Steps, func(s view.Step) bool { return s.Label == label })
	require.GreaterOrEqual(t, i, 0, label)
	return o.Steps[i].Before, o.Steps[i].After
}

func TestEachStepOfOrdersHasTheStateBeforeAndAfterIt(t *testing.T) {
	t.Parallel()
	s := paidOrder()
	o := story.Build(s.records, s.now)
	before, after := standingsOf(t, o, "orders publishes order.created")
	require.Nil(t, before, "there was no order")
	require.Equal(t, &view.Standing{Status: "pending", Payment: "none", Stock: "none"}, after)

	before, after = standingsOf(t, o, "orders handles payment.authorized")
	require.Equal(t, &view.Standing{Status: "pending", Payment: "none", Stock: "reserved"}, before)
	require.Equal(t, &view.Standing{Status: "pending", Payment: "authorized", Stock: "reserved"}, after)

	_, after = standingsOf(t, o, "orders publishes order.confirmed")
	require.Equal(t, &view.Standing{Status: "confirmed", Payment: "authorized", Stock: "reserved"}, after)
	_, after = standingsOf(t, o, "orders publishes order.paid")
	require.Equal(t, &view.Standing{Status: "paid", Payment: "captured", Stock: "committed"}, after)

	_, after = standingsOf(t, o, "payments handles order.created")
	require.Nil(t, after, "other services do not know how the order stands")
}

// The same words as those of the orders service.
func TestTheMoneyOfACancelledOrderIsUnknownUntilTheProviderHasAnswered(t *testing.T) {
	t.Parallel()
	s := newScenario()
	c := s.placed()
	r := s.publishes("inventory", c, events.StockRejected{OrderID: orderID})
	s.handles(r, "orders")
	s.cancels(r, "stock_rejected")
	_, after := standingsOf(t, story.Build(s.records, s.now), "orders publishes order.cancelled")
	require.Equal(t, &view.Standing{Status: "cancelled", Payment: "unknown", Stock: "rejected"}, after)
}

func TestAnAttemptThatFailedChangesNothing(t *testing.T) {
	t.Parallel()
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory")
	r := s.reserves(c)
	s.fails("orders", r, time.Second)
	_, after := standingsOf(t, story.Build(s.records, s.now), "orders handles stock.reserved: failed")
	require.Nil(t, after)
}

func TestAnOrderHasWhatServicesLoggedAboutIt(t *testing.T) {
	t.Parallel()
	s := paidOrder()
	late := logged("payments", s.now, journal.Line{Level: "ERROR", Text: "event is a dead letter", EventID: "e1", Traceparent: trace, Details: map[string]string{"attempts": "12"}})
	early := logged("orders", s.now.Add(-time.Second), journal.Line{Level: "WARN", Text: "event failed"})
	verdict := story.Build(s.records, s.now).Verdict
	o := story.Build(append(s.records, late, early, late), s.now)
	require.Equal(t, []view.Line{
		{At: early.At, Service: "orders", Level: "WARN", Text: "event failed"},
		{At: late.At, Service: "payments", Level: "ERROR", Text: "event is a dead letter", EventID: "e1", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Details: map[string]string{"attempts": "12"}},
	}, o.Lines, "each once, the oldest first")
	require.Equal(t, verdict, o.Verdict, "the log is no evidence")
}

func TestTheNewestLinesOfTheLogAreShown(t *testing.T) {
	t.Parallel()
	s := paidOrder()
	for n := range 700 {
		s.records = append(s.records, logged("payments", s.now.Add(time.Duration(n)*time.Second), journal.Line{Level: "WARN", Text: "event failed"}))
	}
	lines := story.Build(s.records, s.now).Lines
	require.Len(t, lines, 500)
	require.True(t, lines[499].At.Equal(s.now.Add(699*time.Second)))
}
