package story_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

// timelineOf returns what the orders service keeps of the scenario.
func timelineOf(s *scenario) story.Timeline {
	t := story.Timeline{OrderID: orderID, Data: []byte(`{"user_id":"` + userID + `","total":{"amount":4197,"currency":"EUR"},"reason":"customer"}`)}
	for _, r := range s.records {
		if r.Event != nil && r.Service != "notifications" {
			t.Entries = append(t.Entries, story.TimelineEntry{At: r.At.Add(time.Millisecond), Type: r.Event.Type, EventID: r.Event.ID, CausationID: r.Event.CausationID})
		}
	}
	return t
}

func TestWithoutAJournalTheStoryIsThatOfTheTimeline(t *testing.T) {
	t.Parallel()
	s := cancelledAfterPaid()
	o := story.Build(story.Complete(nil, timelineOf(s)), s.now)
	require.Equal(t, "Cancelled after 4 min 10 s: the customer cancelled it. The stock was put back, the money was refunded, and whether the customer was told is not known.", o.Verdict)
	require.False(t, o.Complete)
	require.Empty(t, labels(o, func(s view.Step) bool { return s.Ghost }), "what others have handled is not known")
	require.Equal(t, view.Money(total), o.Total)
	requireCausal(t, o)

	s = newScenario()
	s.placed()
	s.passes(3 * time.Second)
	o = story.Build(story.Complete(nil, timelineOf(s)), s.now)
	require.Equal(t, "Waiting for inventory and payments for 3 s: they have not answered.", o.Verdict)
}

func TestTheTimelineAddsOnlyWhatTheJournalLacks(t *testing.T) {
	t.Parallel()
	s := paidOrder()
	want := story.Build(s.records, s.now)
	got := story.Build(story.Complete(s.records, timelineOf(s)), s.now)
	require.Equal(t, want.Steps, got.Steps)
	require.Equal(t, want.Verdict, got.Verdict)
}
