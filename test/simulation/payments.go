package simulation

import "fmt"

// charge is the money of one payment, by the provider's own ledger.
type charge struct {
	order             string
	total, held, paid int64
	captures          int
}

// paymentChanged is called when a payment was created or changed.
func (c *checker) paymentChanged(row change) {
	var id string
	var amount int64
	if _, err := fmt.Sscan(row.more, &id, &amount); err != nil {
		c.report("the payment of %s cannot be read: %w", c.labels.of(row.id), err)
		return
	}
	if o := c.ordersByID[row.id]; o != nil {
		if o.payment != "" && o.payment != id {
			c.report("%s has two payments", c.labels.of(row.id))
		}
		o.payment, o.paymentState = id, row.after
	}
	if c.charges[id] == nil {
		c.charges[id] = &charge{order: row.id}
	}
	c.charges[id].total = amount
}

// ledgerChanged is called when the provider added an entry to its ledger. At any time
// the full amount of an order is authorized, or paid, or nothing is; and it is
// captured at most once.
func (c *checker) ledgerChanged(row change) {
	ch := c.charges[row.id]
	if ch == nil {
		c.report("the provider was asked for charge %s, which belongs to no payment", c.labels.short(row.id))
		return
	}
	var held, paid int64
	if _, err := fmt.Sscan(row.more, &held, &paid); err != nil {
		c.report("the ledger cannot be read: %w", err)
		return
	}
	ch.held, ch.paid = ch.held+held, ch.paid+paid
	if row.after == "capture" && row.before == "" {
		ch.captures++
	}
	nothing, authorized, paidInFull := ch.held == 0 && ch.paid == 0, ch.held == ch.total && ch.paid == 0, ch.held == 0 && ch.paid == ch.total
	if !nothing && !authorized && !paidInFull {
		c.report("of the %d of %s, %d are authorized and %d paid", ch.total, c.labels.of(ch.order), ch.held, ch.paid)
	}
	if ch.captures > 1 {
		c.report("%s was captured %d times", c.labels.of(ch.order), ch.captures)
	}
}
