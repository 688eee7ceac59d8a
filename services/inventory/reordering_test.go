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

// histories are the events that can arrive about an order of two masks (or of far
// too many), each with the final state of its reservation.
var histories = []struct {
	payloads func(order string) []event.Payload
	end      string
}{
	{func(o string) []event.Payload { return []event.Payload{created(o, "mask", 2)} }, "held"},
	{func(o string) []event.Payload { return []event.Payload{confirmed(o)} }, "promised"},
	{func(o string) []event.Payload { return []event.Payload{cancelled(o)} }, "released"},
	{func(o string) []event.Payload { return []event.Payload{created(o, "mask", 2), confirmed(o)} }, "committed"},
	{func(o string) []event.Payload { return []event.Payload{created(o, "mask", 2), cancelled(o)} }, "released"},
	{func(o string) []event.Payload { return []event.Payload{confirmed(o), cancelled(o)} }, "released"},
	{func(o string) []event.Payload {
		return []event.Payload{created(o, "mask", 2), confirmed(o), cancelled(o)}
	}, "released"},
	{func(o string) []event.Payload { return []event.Payload{created(o, "mask", 5000), confirmed(o)} }, "rejected"},
	{func(o string) []event.Payload { return []event.Payload{created(o, "mask", 5000), cancelled(o)} }, "released"},
}

// TestEveryOrderOfEventsEndsTheSame delivers every history in every order of its
// events, each event twice and all histories side by side: once in rounds, each with
// the next event of every order, and once all in a single batch.
func TestEveryOrderOfEventsEndsTheSame(t *testing.T) {
	for name, deliver := range map[string]func(*servicetest.Harness, *testing.T, [][]event.Payload){
		"in rounds": func(h *servicetest.Harness, t *testing.T, rounds [][]event.Payload) {
			for _, payloads := range rounds {
				h.ConsumesBatch(t, payloads...)
			}
		},
		"in one batch": func(h *servicetest.Harness, t *testing.T, rounds [][]event.Payload) {
			h.ConsumesBatch(t, slices.Concat(rounds...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, h *servicetest.Harness) {
				admin(h).Post(t, "/products/mask/stock", delta(990)).Want(t, 200, "available", 1000)
				ends := map[string]string{}
				var rounds [][]event.Payload
				for _, history := range histories {
					for turns := range permutations(twiceEach(len(history.payloads("")))) {
						order := fmt.Sprint("o", len(ends))
						ends[order] = history.end
						rounds = add(rounds, history.payloads(order), turns)
					}
				}
				deliver(h, t, rounds)
				requireEnds(t, h, ends)
				var cancels []event.Payload
				for order := range ends {
					cancels = append(cancels, cancelled(order))
				}
				h.ConsumesBatch(t, cancels...)
				require.Equal(t, [3]int64{1000, 0, 0}, levelsOf(t, h, "mask"))
				requirePublishedOnce(t, h, len(ends))
			})
		})
	}
}

// add adds one of an order's payloads to each round, in the sequence of turns.
func add(rounds [][]event.Payload, payloads []event.Payload, turns []int) [][]event.Payload {
	for round, turn := range turns {
		if round == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[round] = append(rounds[round], payloads[turn])
	}
	return rounds
}

func requireEnds(t *testing.T, h *servicetest.Harness, ends map[string]string) {
	t.Helper()
	var held, committed int64
	for order, end := range ends {
		var state string
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT state FROM reservations WHERE order_id = $1", order).Scan(&state))
		require.Equal(t, end, state, order)
		switch end {
		case "held":
			held += 2
		case "committed":
			committed += 2
		}
	}
	require.Equal(t, [3]int64{1000 - held - committed, held, committed}, levelsOf(t, h, "mask"))
}

// requirePublishedOnce requires that stock.released was published once for each
// order, all of which are cancelled by now, and no other event more than once.
func requirePublishedOnce(t *testing.T, h *servicetest.Harness, orders int) {
	t.Helper()
	published := map[string]int{}
	for _, f := range servicetest.Published[events.StockReserved](t, h) {
		published["reserved "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.StockRejected](t, h) {
		published["rejected "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.StockCommitted](t, h) {
		published["committed "+f.OrderID]++
	}
	for _, f := range servicetest.Published[events.StockReleased](t, h) {
		published["released "+f.OrderID]++
	}
	for what, times := range published {
		require.Equal(t, 1, times, what)
	}
	require.Len(t, servicetest.Published[events.StockReleased](t, h), orders)
}

func twiceEach(n int) (turns []int) {
	for i := range n {
		turns = append(turns, i, i)
	}
	return turns
}

// permutations yields each distinct permutation of a sorted slice, in lexical order.
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
