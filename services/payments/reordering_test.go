package payments_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
)

// end is where the money of an order is when all is quiet.
type end struct{ held, paid int64 }

// TestEveryOrderOfEventsEndsTheSame delivers what can be heard of an order in
// every order, every event twice, once one by one and once as a single batch,
// for methods that fail in different places.
func TestEveryOrderOfEventsEndsTheSame(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		orders := 0
		for method, wants := range map[string]struct{ authorized, confirmed end }{
			visa:                           {end{held: 4200}, end{paid: 4200}},
			"pm_card_chargeDeclined":       {},
			"pm_fake_timeout_then_charged": {end{held: 4200}, end{paid: 4200}},
			"pm_fake_timeout":              {end{held: 4200}, end{paid: 4200}},
			"pm_fake_capture_fails":        {end{held: 4200}, end{held: 4200}},
		} {
			for _, life := range []struct {
				heard func(order string) []event.Fact
				end   end
			}{
				{func(o string) []event.Fact { return []event.Fact{created(o, method)} }, wants.authorized},
				{func(o string) []event.Fact { return []event.Fact{created(o, method), confirmed(o)} }, wants.confirmed},
				{func(o string) []event.Fact { return []event.Fact{created(o, method), cancelled(o)} }, end{}},
				{func(o string) []event.Fact { return []event.Fact{created(o, method), confirmed(o), cancelled(o)} }, end{}},
				{func(o string) []event.Fact { return []event.Fact{confirmed(o), cancelled(o)} }, end{}},
			} {
				turns := once(len(life.heard("")))
				if method == visa {
					turns = append(turns, turns...)
				}
				for turns := range permutations(turns) {
					for _, deliver := range []func(*testing.T, ...event.Fact){oneByOne(h), h.HearsBatch} {
						orders++
						order := fmt.Sprint("o", orders)
						heard := inTurn(life.heard(order), turns)
						deliver(t, heard...)
						rest(t, h)
						requireBooks(t, h, order, life.end.held, life.end.paid)
						h.Hears(t, cancelled(order))
						rest(t, h)
						requireBooks(t, h, order, 0, 0)
					}
				}
			}
		}
		requireSaidOnce(t, h, orders)
	})
}

// oneByOne delivers with a little time between, so that calls fall in between too.
func oneByOne(h *servicetest.Harness) func(*testing.T, ...event.Fact) {
	return func(t *testing.T, facts ...event.Fact) {
		t.Helper()
		for _, f := range facts {
			h.Hears(t, f)
			h.Advance(700 * time.Millisecond)
			h.Settle(t)
		}
	}
}

// rest lets time pass until no call is due any more.
func rest(t *testing.T, h *servicetest.Harness) {
	t.Helper()
	for {
		h.Settle(t)
		var open int
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM payments WHERE due_at IS NOT NULL").Scan(&open))
		if open == 0 {
			return
		}
		h.Advance(time.Second)
	}
}

// requireSaidOnce demands that each order, all of which are cancelled by now, was
// told the end once, and nothing more than once.
func requireSaidOnce(t *testing.T, h *servicetest.Harness, orders int) {
	t.Helper()
	said := map[string]int{}
	for _, f := range servicetest.Said[events.PaymentAuthorized](t, h) {
		said["authorized "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.PaymentCaptured](t, h) {
		said["captured "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.PaymentCaptureFailed](t, h) {
		said["capture failed "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.PaymentDeclined](t, h) {
		said["end "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.PaymentVoided](t, h) {
		said["end "+f.OrderID]++
	}
	for _, f := range servicetest.Said[events.PaymentRefunded](t, h) {
		said["end "+f.OrderID]++
	}
	for what, times := range said {
		require.Equal(t, 1, times, what)
	}
	for i := range orders {
		require.Contains(t, said, fmt.Sprint("end o", i+1))
	}
}

func once(n int) (turns []int) {
	for i := range n {
		turns = append(turns, i)
	}
	return turns
}

func inTurn(facts []event.Fact, turns []int) []event.Fact {
	heard := make([]event.Fact, len(turns))
	for i, turn := range turns {
		heard[i] = facts[turn]
	}
	return heard
}

// permutations yields each different order of what is given once.
func permutations(given []int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		for turns := slices.Sorted(slices.Values(given)); ; {
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
