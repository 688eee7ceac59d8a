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

func shelfOf(mask, poster int64) *stock.Shelf {
	return stock.NewShelf(
		stock.Level{SKU: "mask", Stocked: mask, Available: mask},
		stock.Level{SKU: "poster", Stocked: poster, Available: poster},
	)
}

func level(t *testing.T, s *stock.Shelf, sku string) stock.Level {
	t.Helper()
	l, ok := s.Level(sku)
	require.True(t, ok)
	return l
}

func TestAnOrderGetsEverythingOrNothing(t *testing.T) {
	t.Parallel()
	shelf := shelfOf(5, 1)
	r := stock.Reservation{OrderID: "o1"}
	out := r.Created([]stock.Line{{"mask", 2}, {"poster", 2}, {"unicorn", 1}}, shelf, later)
	require.Equal(t, stock.Rejected, out.State)
	require.Equal(t, []stock.Shortage{{"poster", 2, 1}, {"unicorn", 1, 0}}, out.Short)
	require.Empty(t, shelf.Changes())
}

func TestAHoldIsCommittedAndRestockedIfTheOrderIsCancelledAfterAll(t *testing.T) {
	t.Parallel()
	shelf, lines := shelfOf(5, 5), []stock.Line{{"mask", 2}}
	r := stock.Reservation{OrderID: "o1"}
	require.Equal(t, stock.Outcome{State: stock.Held, Lines: lines}, r.Created(lines, shelf, later))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 5, Available: 3, Held: 2}, level(t, shelf, "mask"))
	require.Equal(t, stock.Outcome{State: stock.Committed, Lines: lines}, r.Confirmed(shelf))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 5, Available: 3, Committed: 2}, level(t, shelf, "mask"))
	require.Equal(t, stock.Outcome{State: stock.Released, Lines: lines}, r.Cancelled(shelf))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 5, Available: 5}, level(t, shelf, "mask"))
	require.Empty(t, shelf.Changes())
}

func TestATombstoneKeepsALateOrderFromHolding(t *testing.T) {
	t.Parallel()
	shelf := shelfOf(5, 5)
	r := stock.Reservation{OrderID: "o1"}
	require.Equal(t, stock.Outcome{State: stock.Released}, r.Cancelled(shelf))
	require.Equal(t, stock.Outcome{}, r.Created([]stock.Line{{"mask", 2}}, shelf, later))
	require.Equal(t, stock.Outcome{}, r.Confirmed(shelf))
	require.Empty(t, shelf.Changes())
}

func TestAnExpiredHoldIsTakenAnewIfTheOrderIsConfirmedAfterAll(t *testing.T) {
	t.Parallel()
	shelf, lines := shelfOf(2, 0), []stock.Line{{"mask", 2}}
	r := stock.Reservation{OrderID: "o1"}
	r.Created(lines, shelf, later)
	require.Equal(t, stock.Outcome{}, r.Expire(shelf, later.Add(-1)))
	require.Equal(t, stock.Outcome{State: stock.Expired, Lines: lines}, r.Expire(shelf, later))
	require.Equal(t, stock.Outcome{State: stock.Committed, Lines: lines}, r.Confirmed(shelf))
}

func TestAnExpiredHoldThatSomebodyElseTookIsRejectedWhenConfirmed(t *testing.T) {
	t.Parallel()
	shelf, lines := shelfOf(2, 0), []stock.Line{{"mask", 2}}
	first, second := stock.Reservation{OrderID: "o1"}, stock.Reservation{OrderID: "o2"}
	first.Created(lines, shelf, later)
	first.Expire(shelf, later)
	second.Created(lines, shelf, later)
	require.Equal(t, stock.Outcome{State: stock.Rejected, Short: []stock.Shortage{{"mask", 2, 0}}}, first.Confirmed(shelf))
	require.Equal(t, stock.Outcome{State: stock.Released}, first.Cancelled(shelf))
}

func TestACommittedHoldNeverExpires(t *testing.T) {
	t.Parallel()
	shelf := shelfOf(2, 0)
	r := stock.Reservation{OrderID: "o1"}
	r.Created([]stock.Line{{"mask", 2}}, shelf, later)
	r.Confirmed(shelf)
	require.Equal(t, stock.Outcome{}, r.Expire(shelf, later.Add(time.Hour)))
}

func TestMergeAddsUpLinesOfOneProduct(t *testing.T) {
	t.Parallel()
	given := []stock.Line{{"poster", 1}, {"mask", 2}, {"poster", 3}}
	merged, err := stock.Merge(given)
	require.NoError(t, err)
	require.Equal(t, []stock.Line{{"mask", 2}, {"poster", 4}}, merged)
	require.Equal(t, stock.Line{"poster", 1}, given[0], "the argument is left alone")

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
	for _, delta := range []int64{stock.Most - 9, math.MaxInt64} {
		require.True(t, fault.Is(l.Adjust(delta), fault.Invalid))
	}
	require.NoError(t, l.Adjust(-4))
	require.Equal(t, stock.Level{SKU: "mask", Stocked: 6, Held: 6}, l)
	require.NoError(t, l.Adjust(stock.Most-6))
}

// TestStockAddsUpWhateverHappens plays orders, facts, expiries and adjustments
// at random; after each, every product must add up, and in the end what is held
// and committed is exactly what the reservations say.
func TestStockAddsUpWhateverHappens(t *testing.T) {
	t.Parallel()
	skus := []string{"bag", "mask", "poster", "unicorn"} // no unicorn on the shelf
	rapid.Check(t, func(t *rapid.T) {
		shelf := stock.NewShelf(stock.Level{SKU: "bag"}, stock.Level{SKU: "mask"}, stock.Level{SKU: "poster"})
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
				order(t).Created(lines, shelf, now.Add(3))
			},
			"confirmed": func(t *rapid.T) { order(t).Confirmed(shelf) },
			"cancelled": func(t *rapid.T) { order(t).Cancelled(shelf) },
			"time": func(t *rapid.T) {
				now = now.Add(1)
				for _, r := range orders {
					r.Expire(shelf, now)
				}
			},
			"adjust": func(t *rapid.T) {
				l, _ := shelf.Level(rapid.SampledFrom(skus[:3]).Draw(t, "sku"))
				if l.Adjust(rapid.Int64Range(-5, 10).Draw(t, "delta")) == nil {
					shelf = replace(shelf, skus[:3], l)
				}
			},
			"": func(t *rapid.T) { requireBalance(t, shelf, skus[:3], orders) },
		})
	})
}

func replace(shelf *stock.Shelf, skus []string, with stock.Level) *stock.Shelf {
	var levels []stock.Level
	for _, sku := range skus {
		l, _ := shelf.Level(sku)
		if sku == with.SKU {
			l = with
		}
		levels = append(levels, l)
	}
	return stock.NewShelf(levels...)
}

func requireBalance(t *rapid.T, shelf *stock.Shelf, skus []string, orders []*stock.Reservation) {
	for _, sku := range skus {
		l, _ := shelf.Level(sku)
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
