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

// lives are what can be heard of an order, and where its money is in the end;
// authorized and confirmed are where the method at hand leaves it.
func lives(method string, authorized, confirmed end) []life {
	create := func(o string) event.Payload { return created(o, method) }
	confirm := func(o string) event.Payload { return events.OrderConfirmed{OrderID: o, UserID: "u1", Total: total} }
	cancel := func(o string) event.Payload { return cancelled(o) }
	return []life{
		{facts{create}, authorized},
		{facts{create, confirm}, confirmed},
		{facts{create, cancel}, end{}},
		{facts{create, confirm, cancel}, end{}},
		{facts{confirm, cancel}, end{}},
	}
}

type facts []func(order string) event.Payload

type life struct {
	heard facts
	end   end
}

// TestEveryOrderOfEventsEndsTheSame plays every life in every order of its
// events, each of them heard twice, for methods that fail in different places,
// all side by side: once in rounds, in which every order hears its next event
// while calls are under way, and once all in a single batch.
func TestEveryOrderOfEventsEndsTheSame(t *testing.T) {
	for name, deliver := range map[string]func(*servicetest.Harness, *testing.T, [][]event.Payload){
		"in rounds": func(h *servicetest.Harness, t *testing.T, rounds [][]event.Payload) {
			for _, heard := range rounds {
				h.ConsumesBatch(t, heard...)
				h.Advance(700 * time.Millisecond)
				h.Settle(t)
			}
		},
		"in one batch": func(h *servicetest.Harness, t *testing.T, rounds [][]event.Payload) {
			h.ConsumesBatch(t, slices.Concat(rounds...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, h *servicetest.Harness) {
				ends := map[string]end{}
				var rounds [][]event.Payload
				for _, life := range slices.Concat(
					lives(visa, end{held: 4200}, end{paid: 4200}),
					lives("pm_card_chargeDeclined", end{}, end{}),
					lives("pm_fake_timeout_then_charged", end{held: 4200}, end{paid: 4200}),
					lives("pm_fake_timeout", end{held: 4200}, end{paid: 4200}),
					lives("pm_fake_capture_fails", end{held: 4200}, end{held: 4200}),
				) {
					for turns := range permutations(twiceEach(len(life.heard))) {
						order := fmt.Sprint("o", len(ends))
						ends[order] = life.end
						rounds = add(rounds, order, life.heard, turns)
					}
				}
				deliver(h, t, rounds)
				rest(t, h)
				for order, want := range ends {
					requireBooks(t, h, order, want.held, want.paid)
				}
				var cancels []event.Payload
				for order := range ends {
					cancels = append(cancels, cancelled(order))
				}
				h.ConsumesBatch(t, cancels...)
				rest(t, h)
				for order := range ends {
					requireBooks(t, h, order, 0, 0)
				}
				requireSaidOnce(t, h, len(ends))
			})
		})
	}
}

// add lets an order hear one of its facts in each round, in the turns given.
func add(rounds [][]event.Payload, order string, heard facts, turns []int) [][]event.Payload {
	for round, turn := range turns {
		if round == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[round] = append(rounds[round], heard[turn](order))
	}
	return rounds
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
	for _, f := range servicetest.Published[events.PaymentAuthorized](t, h) {
		said["authorized "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentCaptured](t, h) {
		said["captured "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentCaptureFailed](t, h) {
		said["capture failed "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentDeclined](t, h) {
		said["end "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentVoided](t, h) {
		said["end "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentRefunded](t, h) {
		said["end "+f.OrderID]++
	}
	for what, times := range said {
		require.Equal(t, 1, times, what)
	}
	for i := range orders {
		require.Contains(t, said, fmt.Sprint("end o", i))
	}
}

func twiceEach(n int) (turns []int) {
	for i := range n {
		turns = append(turns, i, i)
	}
	return turns
}

// permutations yields each different order of what is given sorted (the next one
// in lexical order, until there is none).
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
