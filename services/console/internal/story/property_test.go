package story_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/patterns/journal"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

// everyOrder are the scenarios of which the properties must hold.
var everyOrder = map[string]func() *scenario{
	"paid": paidOrder, "declined": declinedOrder, "out of stock": outOfStockOrder, "retrying": retryingOrder, "retried": retriedOrder,
	"dead": deadOrder, "replayed": replayedOrder, "cancelled after paid": cancelledAfterPaid, "by the customer": cancelledByCustomer,
	"provider": providerTimesOut, "slow": slowConsumer, "broker": brokerAway, "duplicate": duplicateDelivery, "down": serviceDown,
	"stuck": stuckOrder, "overdue": overdueOrder, "capture": captureFails, "compensation": compensationFails, "delivered": deliveredOrder,
}

func drawOrder(t *rapid.T) *scenario {
	return everyOrder[rapid.SampledFrom(slices.Sorted(maps.Keys(everyOrder))).Draw(t, "order")]()
}

// shuffled returns the records in another order, some of them twice.
func shuffled(t *rapid.T, records []journal.Record) []journal.Record {
	again := rapid.SliceOfN(rapid.IntRange(0, len(records)-1), 0, 10).Draw(t, "again")
	all := slices.Clone(records)
	for _, i := range again {
		all = append(all, records[i])
	}
	return rapid.Permutation(all).Draw(t, "permutation")
}

func TestTheStoryDoesNotDependOnTheOrderOfTheRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawOrder(t)
		want := story.Build(s.records, s.now)
		require.Equal(t, want, story.Build(shuffled(t, s.records), s.now))
	})
}

func TestClocksThatDifferChangeNoCauses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawOrder(t)
		want := story.Build(s.records, s.now)
		skew := map[string]time.Duration{}
		for _, service := range []string{"orders", "inventory", "payments", "notifications"} {
			skew[service] = time.Duration(rapid.Int64Range(-5_000_000, 5_000_000).Draw(t, service)) * time.Microsecond
		}
		got := story.Build(shuffled(t, skewed(s.records, skew)), s.now)

		requireCausal(t, got)
		require.Equal(t, causesOf(want), causesOf(got))
		require.Equal(t, want.Status, got.Status)
		require.Equal(t, want.Complete, got.Complete)
		require.Equal(t, want.Lanes, got.Lanes)
	})
}

func TestEveryRecordIsAStep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawOrder(t)
		records := rapid.Permutation(s.records).Draw(t, "permutation")
		kept := records[:rapid.IntRange(0, len(records)).Draw(t, "kept")] // others are lost
		o := story.Build(kept, s.now)
		requireCausal(t, o)
		require.Len(t, labels(o, func(s view.Step) bool { return !s.Ghost }), len(kept))
	})
}

// skewed returns the records as services with such clocks make them.
func skewed(records []journal.Record, skew map[string]time.Duration) []journal.Record {
	moved := slices.Clone(records)
	for i, r := range moved {
		by := skew[r.Service]
		moved[i].At = r.At.Add(by)
		if r.Attempt == nil {
			continue
		}
		a := *r.Attempt
		a.ReceivedAt, a.StartedAt, a.FinishedAt = a.ReceivedAt.Add(by), a.StartedAt.Add(by), a.FinishedAt.Add(by)
		if a.NextAt != nil {
			next := a.NextAt.Add(by)
			a.NextAt = &next
		}
		moved[i].Attempt = &a
	}
	return moved
}

// causesOf returns the causes of each step by its id.
func causesOf(o view.Order) map[string][]string {
	causes := map[string][]string{}
	for _, s := range o.Steps {
		causes[s.ID] = s.Causes
	}
	return causes
}
