package simulation

import "fmt"

// charge is where the money of one payment is, by the provider's own ledger.
type charge struct {
	order             string
	total, held, paid int64
	captures          int
}

func (w *witness) paymentMoves(c change) {
	var id string
	var amount int64
	if _, err := fmt.Sscan(c.more, &id, &amount); err != nil {
		w.complain("payment of %s is unreadable: %w", w.names.of(c.id), err)
		return
	}
	if o := w.ordersByID[c.id]; o != nil {
		if o.payment != "" && o.payment != id {
			w.complain("%s has two payments", w.names.of(c.id))
		}
		o.payment, o.moneyIs = id, c.after
	}
	if w.charges[id] == nil {
		w.charges[id] = &charge{order: c.id}
	}
	w.charges[id].total = amount
}

// books takes in a line of the provider's ledger. At any time an order's money is
// nowhere, set aside whole, or paid whole; and it is captured once at most.
func (w *witness) books(c change) {
	ch := w.charges[c.id]
	if ch == nil {
		w.complain("the provider was asked for charge %s, which no payment stands behind", w.names.short(c.id))
		return
	}
	var held, paid int64
	if _, err := fmt.Sscan(c.more, &held, &paid); err != nil {
		w.complain("the ledger is unreadable: %w", err)
		return
	}
	ch.held, ch.paid = ch.held+held, ch.paid+paid
	if c.after == "capture" && c.before == "" {
		ch.captures++
	}
	nowhere, aside, ours := ch.held == 0 && ch.paid == 0, ch.held == ch.total && ch.paid == 0, ch.held == 0 && ch.paid == ch.total
	if !nowhere && !aside && !ours {
		w.complain("of the %d of %s, %d are set aside and %d paid", ch.total, w.names.of(ch.order), ch.held, ch.paid)
	}
	if ch.captures > 1 {
		w.complain("%s was captured %d times", w.names.of(ch.order), ch.captures)
	}
}
