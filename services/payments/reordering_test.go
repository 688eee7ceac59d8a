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

// end is where the money of an order is when nothing is left to do.
type end struct{ held, paid int64 }

// lives returns the sets of events that an order can have, and where its money is in
// the end. authorized and confirmed are where the payment method leaves it.
func lives(method string, authorized, confirmed end) []life {
	create := func(o string) event.Payload { return created(o, method) }
	confirm := func(o string) event.Payload { return events.OrderConfirmed{OrderID: o, UserID: "u1", Total: total} }
	cancel := func(o string) event.Payload { return cancelled(o) }
	return []life{
		{payloads{create}, authorized},
		{payloads{create, confirm}, confirmed},
		{payloads{create, cancel}, end{}},
		{payloads{create, confirm, cancel}, end{}},
		{payloads{confirm, cancel}, end{}},
	}
}

type payloads []func(order string) event.Payload

// life is the events of one order and the end that they lead to.
type life struct {
	events payloads
	end    end
}

// TestEveryOrderOfEventsEndsTheSame plays every life in every order of its events,
// each event consumed twice, for methods that fail in different places. All of them
// run side by side: once in rounds, in each of which every order has its next event
// while calls are in flight, and once all in a single batch.
func TestEveryOrderOfEventsEndsTheSame(t *testing.T) {
	for name, deliver := range map[string]func(*servicetest.Harness, *testing.T, [][]event.Payload){
		"in rounds": func(h *servicetest.Harness, t *testing.T, rounds [][]event.Payload) {
			for _, payloads := range rounds {
				h.ConsumesBatch(t, payloads...)
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
					for turns := range permutations(twiceEach(len(life.events))) {
						order := fmt.Sprint("o", len(ends))
						ends[order] = life.end
						rounds = add(rounds, order, life.events, turns)
					}
				}
				deliver(h, t, rounds)
				settleAll(t, h)
				for order, want := range ends {
					requireBalance(t, h, order, want.held, want.paid)
				}
				var cancels []event.Payload
				for order := range ends {
					cancels = append(cancels, cancelled(order))
				}
				h.ConsumesBatch(t, cancels...)
				settleAll(t, h)
				for order := range ends {
					requireBalance(t, h, order, 0, 0)
				}
				requirePublishedOnce(t, h, len(ends))
			})
		})
	}
}

// add adds one of the order's events to each round, in the order of turns.
func add(rounds [][]event.Payload, order string, payloads payloads, turns []int) [][]event.Payload {
	for round, turn := range turns {
		if round == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[round] = append(rounds[round], payloads[turn](order))
	}
	return rounds
}

// settleAll advances the time until no operation is open.
func settleAll(t *testing.T, h *servicetest.Harness) {
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

// requirePublishedOnce requires that the end of each order was published once, and no
// event more than once. All orders are cancelled by now.
func requirePublishedOnce(t *testing.T, h *servicetest.Harness, orders int) {
	t.Helper()
	published := map[string]int{}
	for _, f := range servicetest.Published[events.PaymentAuthorized](t, h) {
		published["authorized "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentCaptured](t, h) {
		published["captured "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentCaptureFailed](t, h) {
		published["capture failed "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentDeclined](t, h) {
		published["end "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentVoided](t, h) {
		published["end "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.PaymentRefunded](t, h) {
		published["end "+f.OrderID]++
	}
	for event, times := range published {
		require.Equal(t, 1, times, event)
	}
	for i := range orders {
		require.Contains(t, published, fmt.Sprint("end o", i))
	}
}

func twiceEach(n int) (turns []int) {
	for i := range n {
		turns = append(turns, i, i)
	}
	return turns
}

// permutations yields each different permutation of the sorted numbers, in lexical
// order.
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
