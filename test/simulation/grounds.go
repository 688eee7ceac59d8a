package simulation

import (
	"encoding/json"
	"slices"
	"strconv"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
)

// grounds are what must have been said of an order before orders may say something
// of it: one of each list. Right in the end is not enough: a decision before its
// time ends right only as long as everybody says yes.
var grounds = map[string][][]string{
	"order.confirmed.v1": {{"stock.reserved.v1", "stock.committed.v1"}, {"payment.authorized.v1", "payment.captured.v1"}},
	"order.paid.v1":      {{"stock.committed.v1"}, {"payment.captured.v1"}},
}

// groundsToCancel are the same, by the reason that is given. Customers and admins
// need none.
var groundsToCancel = map[string][]string{
	"stock_rejected":   {"stock.rejected.v1", "stock.released.v1"},
	"payment_declined": {"payment.declined.v1"},
	"capture_failed":   {"payment.capture_failed.v1", "payment.voided.v1"},
}

// checkGrounds demands that orders has reason to say what it says.
func (w *witness) checkGrounds(f *fact, e event.Envelope) {
	o := w.ordersByID[f.about]
	if o == nil || f.source != "orders" {
		return
	}
	needs := grounds[f.Type]
	if f.Type == "order.cancelled.v1" {
		var cancelled struct{ Reason string }
		if err := json.Unmarshal(e.Data, &cancelled); err != nil {
			w.complain("%s is unreadable: %w", w.names.event(f), err)
		}
		if cancelled.Reason == "deadline" && !o.overdue(e) {
			w.complain("%s is cancelled for its deadline, which is still to come", w.names.of(o.id))
		}
		if grounds := groundsToCancel[cancelled.Reason]; grounds != nil {
			needs = [][]string{grounds}
		}
	}
	for _, oneOf := range needs {
		if !slices.ContainsFunc(oneOf, func(t string) bool { return slices.Contains(o.said, t) }) {
			w.complain("%s is said though nobody has said any of %v", w.names.event(f), oneOf)
		}
	}
}

// overdue says whether the deadline had passed, by orders' own clock, when e was said.
func (o *orderSeen) overdue(e event.Envelope) bool {
	deadline, err := strconv.ParseInt(o.deadline, 10, 64)
	return err == nil && !e.Time.Before(sqldb.Time(deadline))
}
