package roster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/services/console/internal/roster"
	"troupe/services/console/internal/view"
)

type harness struct {
	*roster.Roster
	now time.Time
}

func newHarness() *harness {
	h := &harness{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	h.Roster = roster.New(func() time.Time { return h.now })
	return h
}

func (h *harness) handles(service, eventID, eventType string, outcome journal.Outcome) {
	h.Observe([]journal.Record{{
		Kind: journal.Handled, Service: service, Instance: service + "-1", At: h.now,
		Attempt: &journal.Attempt{EventID: eventID, Type: eventType, Outcome: outcome, FinishedAt: h.now},
	}})
}

func TestAConsumersRateAndLagAreThoseOfLate(t *testing.T) {
	t.Parallel()
	h := newHarness()
	h.Observe([]journal.Record{{Kind: journal.Published, Service: "orders", At: h.now, Event: &journal.Event{ID: "e1", Type: "order.created.v1"}}})
	h.now = h.now.Add(2 * time.Second)
	h.handles("payments", "e1", "order.created.v1", journal.Retry)
	h.handles("payments", "e1", "order.created.v1", journal.OK)
	types := []string{"order.created.v1", "order.confirmed.v1"}
	require.Equal(t, []view.Consumer{{Type: "order.created.v1", Rate: 0.2, Failed: 0.1, Lag: 2}, {Type: "order.confirmed.v1"}}, h.Consumers("payments", types))
	require.Zero(t, h.Consumers("inventory", types)[0].Rate)
	h.now = h.now.Add(10 * time.Second)
	require.Zero(t, h.Consumers("payments", types)[0].Rate)
}

func TestAnInstanceThatWasNotSeenLatelyIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHarness()
	h.handles("payments", "e1", "order.created.v1", journal.OK)
	require.Equal(t, []view.Instance{{Name: "payments-1", SeenAt: h.now}}, h.Instances("payments"))
	h.now = h.now.Add(6 * time.Minute)
	require.Empty(t, h.Instances("payments"))
}

func TestTheHistoryOfABreakerIsKept(t *testing.T) {
	t.Parallel()
	h := newHarness()
	for n := range 40 {
		h.Observe([]journal.Record{{Kind: journal.Switched, Service: "payments", At: h.now, Breaker: &journal.Breaker{
			Dependency: "provider", From: "CLOSED", To: "HALF_OPEN", Reason: fmt.Sprint(n),
		}}})
	}
	b := h.Breakers("payments")
	require.Len(t, b, 1)
	require.Equal(t, "half_open", b[0].State)
	require.Len(t, b[0].History, 32)
	require.Equal(t, "39", b[0].History[0].Reason)
	require.Empty(t, h.Breakers("orders"))
}

func TestPublishedEventsAreForgotten(t *testing.T) {
	t.Parallel()
	h := newHarness()
	for n := range 10_001 {
		h.Observe([]journal.Record{{Kind: journal.Published, At: h.now, Event: &journal.Event{ID: fmt.Sprint(n)}}})
	}
	h.now = h.now.Add(time.Second)
	h.handles("payments", "0", "order.created.v1", journal.OK)
	require.Zero(t, h.Consumers("payments", []string{"order.created.v1"})[0].Lag)
	h.handles("payments", "10000", "order.created.v1", journal.OK)
	require.InDelta(t, 1, h.Consumers("payments", []string{"order.created.v1"})[0].Lag, 0.01)
}
