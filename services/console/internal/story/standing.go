package story

import (
	"slices"

	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// The states of the money and of the stock, each in its sequence: the rightmost that is
// known counts, whatever the order of the events.
var (
	paymentSequence = []string{"none", "authorized", "captured", "declined", "capture_failed", "voided", "refunded"}
	stockSequence   = []string{"none", "reserved", "committed", "rejected", "released"}
)

// The states that events report.
var (
	paymentStates = map[string]string{
		authorized: "authorized", captured: "captured", declined: "declined", captureFailed: "capture_failed", voided: "voided", refunded: "refunded",
	}
	stockStates = map[string]string{reserved: "reserved", committed: "committed", rejected: "rejected", released: "released"}
)

// standing is how an order stands at a step.
type standing struct{ status, payment, stock string }

// addStandings adds to the steps of orders how the order stood before and after each.
func addStandings(steps []*step) {
	var now standing
	for _, s := range steps {
		if s.Lane != "orders" || s.attempt != nil && s.attempt.Outcome != journal.OK {
			continue
		}
		s.Before = now.view()
		now = now.after(s)
		s.After = now.view()
	}
}

// after returns how the order stands after a step of orders.
func (n standing) after(s *step) standing {
	if s.attempt != nil {
		n.payment = furthest(paymentSequence, n.payment, paymentStates[s.Type])
		n.stock = furthest(stockSequence, n.stock, stockStates[s.Type])
		return n
	}
	for _, status := range statuses {
		if status.eventType == s.Type {
			n.status = status.name
		}
	}
	return n
}

// furthest returns the one of a and b that comes later in sequence; its first element if
// neither is in it.
func furthest(sequence []string, a, b string) string {
	return sequence[max(slices.Index(sequence, a), slices.Index(sequence, b), 0)]
}

// view returns the standing in the words of the orders service, nil before the order is known.
func (n standing) view() *view.Standing {
	if n.status == "" {
		return nil
	}
	v := &view.Standing{Status: n.status, Payment: furthest(paymentSequence, n.payment, ""), Stock: furthest(stockSequence, n.stock, "")}
	switch {
	case v.Payment == "capture_failed": // it leaves nothing behind
		v.Payment = "voided"
	case v.Status == "cancelled" && v.Payment == "none": // until the provider has answered
		v.Payment = "unknown"
	}
	return v
}
