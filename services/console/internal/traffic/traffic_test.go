package traffic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/services/console/internal/traffic"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func published(service, eventType, order string, at time.Time) journal.Record {
	return journal.Record{Kind: journal.Published, Service: service, OrderID: order, At: at, Event: &journal.Event{ID: order + eventType, Type: eventType}}
}

func handled(service string, outcome journal.Outcome) journal.Record {
	return journal.Record{Kind: journal.Handled, Service: service, Attempt: &journal.Attempt{Outcome: outcome}}
}

func TestRatesAreThoseOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	now := noon
	seen := traffic.New(func() time.Time { return now })
	for range 20 {
		seen.Observe([]journal.Record{handled("payments", journal.OK)})
	}
	seen.Observe([]journal.Record{handled("payments", journal.Retry), handled("orders", journal.Duplicate)})
	now = noon.Add(5 * time.Second)
	require.InDelta(t, 2.1, seen.Rate(traffic.Key{From: "bus", To: "payments", Kind: traffic.Handled}), 0.001)
	require.InDelta(t, 0.1, seen.Rate(traffic.Key{From: "bus", To: "payments", Kind: traffic.Failed}), 0.001)
	require.Zero(t, seen.Rate(traffic.Key{From: "bus", To: "orders", Kind: traffic.Failed}))
	now = noon.Add(11 * time.Second)
	require.Zero(t, seen.Rate(traffic.Key{From: "bus", To: "payments", Kind: traffic.Handled}))
}

// Under load the journal records a share of the orders.
func TestARecordCountsForThoseThatWereLeftOut(t *testing.T) {
	t.Parallel()
	seen := traffic.New(func() time.Time { return noon })
	created := published("orders", "order.created.v1", "o", noon)
	created.StandsFor = 64
	span := journal.Record{Kind: journal.Finished, Service: "orders", Span: &journal.Span{Kind: "server"}}
	seen.Observe([]journal.Record{
		created, handled("orders", journal.Retry), span, {Kind: journal.Served, Service: "orders", StandsFor: 640}, {Kind: journal.Served, Service: "orders", StandsFor: 3},
	})
	require.InDelta(t, 64.3, seen.Rate(traffic.Key{From: "gateway", To: "orders", Kind: traffic.Requests}), 0.001)
	require.InDelta(t, 6.4, seen.Rate(traffic.Key{From: "orders", To: "bus", Kind: traffic.Published}), 0.001)
	require.InDelta(t, 0.1, seen.Rate(traffic.Key{From: "bus", To: "orders", Kind: traffic.Failed}), 0.001)
	series := seen.Series("orders")
	require.InDelta(t, 64, series[len(series)-1], 0.001)
}

func TestSeriesHaveFifteenMinutes(t *testing.T) {
	t.Parallel()
	now := noon
	seen := traffic.New(func() time.Time { return now })
	seen.Observe([]journal.Record{
		published("orders", "order.created.v1", "a", noon), published("orders", "order.created.v1", "b", noon),
		published("orders", "order.confirmed.v1", "a", noon.Add(100*time.Millisecond)), published("orders", "order.cancelled.v1", "b", noon.Add(300*time.Millisecond)),
		{Kind: journal.Dropped, Lost: 7},
	})
	now = noon.Add(16 * time.Second)
	seen.Observe([]journal.Record{handled("payments", journal.Dead)})
	seen.Set("backlog", 12)
	last := func(name string) []float64 { return seen.Series(name)[58:] }
	require.Len(t, seen.Series("orders"), 60)
	require.Equal(t, []float64{2, 0}, last("orders"))
	require.Equal(t, []float64{200, 0}, last("decision"))
	require.Equal(t, []float64{0, 1}, last("failures"))
	require.Equal(t, []float64{0, 12}, last("backlog"))
	require.Equal(t, 7, seen.Lost())

	now = noon.Add(time.Hour)
	require.Equal(t, make([]float64, 60), seen.Series("orders"))
	require.Zero(t, seen.Lost())
}

func TestBreakersThatAreNotClosedAreShown(t *testing.T) {
	t.Parallel()
	seen := traffic.New(func() time.Time { return noon })
	moved := func(to string) []journal.Record {
		return []journal.Record{{Kind: journal.Switched, Service: "payments", At: noon, Breaker: &journal.Breaker{Dependency: "provider", To: to}}}
	}
	seen.Observe(moved("open"))
	require.Equal(t, map[traffic.Circuit]traffic.Moved{{Service: "payments", Dependency: "provider"}: {To: "OPEN", At: noon}}, seen.Open())
	seen.Observe(moved("closed"))
	require.Empty(t, seen.Open())
}
