package inventory_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
)

// lives are what can be heard of an order, and where its two masks of ten are
// in the end: available, held, committed.
var lives = []struct {
	heard func(order string) []event.Fact
	end   [3]int64
}{
	{func(o string) []event.Fact { return []event.Fact{created(o, "mask", 2)} }, [3]int64{8, 2, 0}},
	{func(o string) []event.Fact { return []event.Fact{cancelled(o)} }, [3]int64{10, 0, 0}},
	{func(o string) []event.Fact { return []event.Fact{created(o, "mask", 2), confirmed(o)} }, [3]int64{8, 0, 2}},
	{func(o string) []event.Fact { return []event.Fact{created(o, "mask", 2), cancelled(o)} }, [3]int64{10, 0, 0}},
	{func(o string) []event.Fact { return []event.Fact{created(o, "mask", 2), confirmed(o), cancelled(o)} }, [3]int64{10, 0, 0}},
	{func(o string) []event.Fact { return []event.Fact{created(o, "mask", 11), confirmed(o)} }, [3]int64{10, 0, 0}},
	{func(o string) []event.Fact { return []event.Fact{created(o, "mask", 11), cancelled(o)} }, [3]int64{10, 0, 0}},
}

// TestEveryOrderOfEventsEndsTheSame delivers each life in every order, every
// event twice, once one by one and once as a single batch.
func TestEveryOrderOfEventsEndsTheSame(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		orders := 0
		play := func(end [3]int64, heard func(string) []event.Fact, turns []int, deliver func(*testing.T, ...event.Fact)) {
			orders++
			order := fmt.Sprint("o", orders)
			facts := heard(order)
			inTurn := make([]event.Fact, len(turns))
			for i, turn := range turns {
				inTurn[i] = facts[turn]
			}
			deliver(t, inTurn...)
			require.Equal(t, end, shelf(t, h, "mask"), "after %v", inTurn)
			h.Hears(t, cancelled(order)) // leaves the shelf to the next one as it was
			require.Equal(t, [3]int64{10, 0, 0}, shelf(t, h, "mask"), "cancelled after %v", inTurn)
		}
		for _, life := range lives {
			n := len(life.heard(""))
			for turns := range permutations(twiceEach(n)) {
				play(life.end, life.heard, turns, h.Hears)
				play(life.end, life.heard, turns, h.HearsBatch)
			}
		}
		requireSaidOnce(t, h, orders)
	})
}

// requireSaidOnce demands that each order, all of which are cancelled by now, was
// told so once, and nothing else more than once.
func requireSaidOnce(t *testing.T, h *servicetest.Harness, orders int) {
	t.Helper()
	said := map[string]int{}
	for _, f := range servicetest.Said[events.StockReserved](t, h) {
		said["reserved "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.StockRejected](t, h) {
		said["rejected "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.StockCommitted](t, h) {
		said["committed "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.StockReleased](t, h) {
		said["released "+f.OrderID]++
	}
	for what, times := range said {
		require.Equal(t, 1, times, what)
	}
	require.Len(t, servicetest.Said[events.StockReleased](t, h), orders)
}

func twiceEach(n int) (turns []int) {
	for i := range n {
		turns = append(turns, i, i)
	}
	return turns
}

// permutations yields each different order of sorted once (the next one in
// lexical order, until there is none).
func permutations(sorted []int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		for turns := slices.Clone(sorted); ; {
			if !yield(slices.Clone(turns)) {
				return
			}
			i := len(turns) - 2
			for i >= 0 && turns[i] >= turns[i+1] {
				i--
			}
			if i < 0 {
				return
			}
			j := len(turns) - 1
			for turns[j] <= turns[i] {
				j--
			}
			turns[i], turns[j] = turns[j], turns[i]
			slices.Reverse(turns[i+1:])
		}
	}
}
