package simulation

import (
	"encoding/json"
	"slices"
	"strconv"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
)

// preconditions are the events that must have been published about an order before
// orders may publish one: at least one event of each list. A right outcome is not
// enough: a decision that is made too early is right only as long as every service
// agrees.
var preconditions = map[string][][]string{
	"order.confirmed.v1": {{"stock.reserved.v1", "stock.committed.v1"}, {"payment.authorized.v1", "payment.captured.v1"}},
	"order.paid.v1":      {{"stock.committed.v1"}, {"payment.captured.v1"}},
}

// cancelPreconditions are the same for a cancellation, by its reason. Customers and
// admins need none.
var cancelPreconditions = map[string][]string{
	"stock_rejected":   {"stock.rejected.v1", "stock.released.v1"},
	"payment_declined": {"payment.declined.v1"},
	"capture_failed":   {"payment.capture_failed.v1", "payment.voided.v1"},
}

// checkPreconditions checks that orders publishes an event only when it may.
func (c *checker) checkPreconditions(p *publishedEvent, e event.Envelope) {
	o := c.ordersByID[p.about]
	if o == nil || p.source != "orders" {
		return
	}
	needs := preconditions[p.Type]
	if p.Type == "order.cancelled.v1" {
		var cancelled struct{ Reason string }
		if err := json.Unmarshal(e.Data, &cancelled); err != nil {
			c.report("%s cannot be read: %w", c.labels.event(p), err)
		}
		o.lapsed = cancelled.Reason == "deadline"
		if o.lapsed && !o.overdue(e) {
			c.report("%s is cancelled because of its deadline, which has not passed yet", c.labels.of(o.id))
		}
		if oneOf := cancelPreconditions[cancelled.Reason]; oneOf != nil {
			needs = [][]string{oneOf}
		}
	}
	for _, oneOf := range needs {
		if !slices.ContainsFunc(oneOf, func(t string) bool { return slices.Contains(o.eventTypes, t) }) {
			c.report("%s was published before any of %v", c.labels.event(p), oneOf)
		}
	}
}

// overdue reports whether the deadline had passed, by the clock of orders, when e was published.
func (o *orderState) overdue(e event.Envelope) bool {
	deadline, err := strconv.ParseInt(o.deadline, 10, 64)
	return err == nil && !e.Time.Before(sqldb.Time(deadline))
}
