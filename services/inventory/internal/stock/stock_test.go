package stock_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/platform/fault"
	"troupe/services/inventory/internal/stock"
)

var (
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	later = noon.Add(time.Hour)
)

func levelsOf(mask, poster int64) *stock.Levels {
	return stock.NewLevels(
		stock.Level{SKU: "mask", Stocked: mask, Available: mask},
		stock.Level{SKU: "poster", Stocked: poster, Available: poster},
	)
}

var (
	commit  = stock.Command{Kind: stock.Commit}
	release = stock.Command{Kind: stock.Release}
)

func reserve(lines []stock.Line, expires time.Time) stock.Command {
	return stock.Command{Kind: stock.Reserve, Lines: lines, ExpiresAt: expires}
}

func expire(passed time.Time) stock.Command { return stock.Command{Kind: stock.Expire, Passed: passed} }

func level(t *testing.T, levels *stock.Levels, sku string) stock.Level {
	t.Helper()
	l, ok := levels.Level(sku)
	require.True(t, ok)
	return l
}

func TestAnOrderReservesAllLinesOrNone(t *testing.T) {
	t.Parallel()
	levels := levelsOf(5, 1)
	r := stock.Reservation{OrderID: "o1"}
	out := r.Apply(reserve([]stock.Line{{"mask", 2}, {"poster", 2}, {"unicorn", 1}}, later), levels)
	require.Equal(t, stock.Rejected, out.State)
	require.Equal(t, []stock.Shortage{{"poster", 2, 1}, {"unicorn", 1, 0}}, out.Short)
	require.Empty(t, levels.Changes())
}

func TestACommittedHoldIsRestockedIfTheOrderIsCancelled(t *testing.T) {
	t.Parallel()
	levels, lines := levelsOf(5, 5), []stock.Line{{"mask", 2}}
	r := stock.Reservation{OrderID: "o1"}
	require.Equal(t, stock.Outcome{State: stock.Held, Lines: lines}, r.Apply(reserve(lines, later), levels))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 5, Available: 3, Held: 2}, level(t, levels, "mask"))
	require.Equal(t, stock.Outcome{State: stock.Committed, Lines: lines}, r.Apply(commit, levels))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 5, Available: 3, Committed: 2}, level(t, levels, "mask"))
	require.Equal(t, stock.Outcome{State: stock.Released, Lines: lines}, r.Apply(release, levels))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 5, Available: 5}, level(t, levels, "mask"))
	require.Empty(t, levels.Changes())
}

func TestATombstoneKeepsALateOrderFromReserving(t *testing.T) {
	t.Parallel()
	levels := levelsOf(5, 5)
	r := stock.Reservation{OrderID: "o1"}
	require.Equal(t, stock.Outcome{State: stock.Released}, r.Apply(release, levels))
	require.Equal(t, stock.Outcome{}, r.Apply(reserve([]stock.Line{{"mask", 2}}, later), levels))
	require.Equal(t, stock.Outcome{}, r.Apply(commit, levels))
	require.Empty(t, levels.Changes())
}

func TestAnExpiredHoldIsHeldAgainIfTheOrderIsConfirmed(t *testing.T) {
	t.Parallel()
	levels, lines := levelsOf(2, 0), []stock.Line{{"mask", 2}}
	r := stock.Reservation{OrderID: "o1"}
	r.Apply(reserve(lines, later), levels)
	require.Equal(t, stock.Outcome{}, r.Apply(expire(later.Add(-1)), levels))
	require.Equal(t, stock.Outcome{State: stock.Expired, Lines: lines}, r.Apply(expire(later), levels))
	require.Equal(t, stock.Outcome{State: stock.Committed, Lines: lines}, r.Apply(commit, levels))
}

func TestAConfirmedOrderIsRejectedIfItsExpiredHoldIsSold(t *testing.T) {
	t.Parallel()
	levels, lines := levelsOf(2, 0), []stock.Line{{"mask", 2}}
	first, second := stock.Reservation{OrderID: "o1"}, stock.Reservation{OrderID: "o2"}
	first.Apply(reserve(lines, later), levels)
	first.Apply(expire(later), levels)
	second.Apply(reserve(lines, later), levels)
	require.Equal(t, stock.Outcome{State: stock.Rejected, Short: []stock.Shortage{{"mask", 2, 0}}}, first.Apply(commit, levels))
	require.Equal(t, stock.Outcome{State: stock.Released}, first.Apply(release, levels))
}

func TestACommittedHoldNeverExpires(t *testing.T) {
	t.Parallel()
	levels := levelsOf(2, 0)
	r := stock.Reservation{OrderID: "o1"}
	r.Apply(reserve([]stock.Line{{"mask", 2}}, later), levels)
	r.Apply(commit, levels)
	require.Equal(t, stock.Outcome{}, r.Apply(expire(later.Add(time.Hour)), levels))
}

func TestMergeAddsUpLinesOfOneProduct(t *testing.T) {
	t.Parallel()
	given := []stock.Line{{"poster", 1}, {"mask", 2}, {"poster", 3}}
	merged, err := stock.Merge(given)
	require.NoError(t, err)
	require.Equal(t, []stock.Line{{"mask", 2}, {"poster", 4}}, merged)
	require.Equal(t, stock.Line{"poster", 1}, given[0], "the argument is not changed")

	merged, err = stock.Merge([]stock.Line{{"mask", math.MaxInt64}, {"mask", 5}})
	require.NoError(t, err)
	require.Equal(t, []stock.Line{{"mask", math.MaxInt64}}, merged)

	for _, n := range []int64{0, -1, math.MinInt64} {
		_, err = stock.Merge([]stock.Line{{"mask", n}})
		require.Error(t, err)
	}
}

func TestStockIsAdjustedWithinItsBounds(t *testing.T) {
	t.Parallel()
	l := stock.Level{SKU: "mask", Stocked: 10, Available: 4, Held: 6}
	for _, delta := range []int64{-5, math.MinInt64} {
		require.True(t, fault.Is(l.Adjust(delta), fault.Conflict))
	}
	for _, delta := range []int64{stock.MaxStock - 9, math.MaxInt64} {
		require.True(t, fault.Is(l.Adjust(delta), fault.Invalid))
	}
	require.NoError(t, l.Adjust(-4))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 6, Held: 6}, l)
	require.NoError(t, l.Adjust(stock.MaxStock-6))
}

// TestStockAddsUpAfterAnySequence applies commands and adjustments at random. After
// each of them, every product must add up, and what is held and committed must be
// exactly what the reservations hold and have committed.
func TestStockAddsUpAfterAnySequence(t *testing.T) {
	t.Parallel()
	skus := []string{"bag", "mask", "poster", "unicorn"} // there is no unicorn in stock
	rapid.Check(t, func(t *rapid.T) {
		levels := stock.NewLevels(stock.Level{SKU: "bag"}, stock.Level{SKU: "mask"}, stock.Level{SKU: "poster"})
		orders := make([]*stock.Reservation, 4)
		for i := range orders {
			orders[i] = &stock.Reservation{OrderID: fmt.Sprint("o", i)}
		}
		now := noon
		line := rapid.Custom(func(t *rapid.T) stock.Line {
			return stock.Line{SKU: rapid.SampledFrom(skus).Draw(t, "sku"), Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity")}
		})
		order := func(t *rapid.T) *stock.Reservation { return rapid.SampledFrom(orders).Draw(t, "order") }
		t.Repeat(map[string]func(*rapid.T){
			"created": func(t *rapid.T) {
				lines, err := stock.Merge(rapid.SliceOfN(line, 0, 4).Draw(t, "lines"))
				require.NoError(t, err)
				order(t).Apply(reserve(lines, now.Add(3)), levels)
			},
			"confirmed": func(t *rapid.T) { order(t).Apply(commit, levels) },
			"cancelled": func(t *rapid.T) { order(t).Apply(release, levels) },
			"time": func(t *rapid.T) {
				now = now.Add(1)
				for _, r := range orders {
					r.Apply(expire(now), levels)
				}
			},
			"adjust": func(t *rapid.T) {
				l, _ := levels.Level(rapid.SampledFrom(skus[:3]).Draw(t, "sku"))
				if l.Adjust(rapid.Int64Range(-5, 10).Draw(t, "delta")) == nil {
					levels = replace(levels, skus[:3], l)
				}
			},
			"": func(t *rapid.T) { requireBalance(t, levels, skus[:3], orders) },
		})
	})
}

func replace(levels *stock.Levels, skus []string, with stock.Level) *stock.Levels {
	var all []stock.Level
	for _, sku := range skus {
		l, _ := levels.Level(sku)
		if sku == with.SKU {
			l = with
		}
		all = append(all, l)
	}
	return stock.NewLevels(all...)
}

func requireBalance(t *rapid.T, levels *stock.Levels, skus []string, orders []*stock.Reservation) {
	for _, sku := range skus {
		l, _ := levels.Level(sku)
		require.Equal(t, l.Stocked, l.Available+l.Held+l.Committed, "%+v", l)
		require.GreaterOrEqual(t, l.Available, int64(0))
		require.Equal(t, sum(orders, sku, stock.Held), l.Held)
		require.Equal(t, sum(orders, sku, stock.Committed), l.Committed)
	}
}

func sum(orders []*stock.Reservation, sku string, state stock.State) (n int64) {
	for _, r := range orders {
		if i := slices.IndexFunc(r.Lines, func(l stock.Line) bool { return l.SKU == sku }); r.State == state && i >= 0 {
			n += r.Lines[i].Quantity
		}
	}
	return n
}
