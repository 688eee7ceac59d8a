package simulation

import (
	"context"
	"encoding/json"
	"fmt"

	"troupe/platform/sqldb"
)

// mailedEvents are the events about which customers are sent a mail.
var mailedEvents = map[string]bool{
	"user.registered.v1": true, "order.created.v1": true, "order.paid.v1": true, "order.cancelled.v1": true,
	"order.shipped.v1": true, "payment.refunded.v1": true,
}

// checkNotified checks that customers were sent one mail about each event. Those whose
// account was deleted may have got it or not, and a late mail is left out if its order has
// gone on.
func (r *run) checkNotified(ctx context.Context) error {
	sent := map[string]int{}
	_, err := sqldb.All(ctx, r.node("notifications").store, func(r sqldb.Row) (s struct{}, err error) {
		var event, kind, state string
		if err := r.Scan(&event, &kind, &state); err != nil {
			return s, err
		}
		if state == "sent" || state == "superseded" && kind != "order.shipped" && kind != "order.cancelled" {
			sent[event]++
		}
		return s, nil
	}, "SELECT event_id, kind, state FROM deliveries")
	if err != nil {
		return err
	}
	for _, p := range r.checker.journal {
		if !mailedEvents[p.Type] {
			continue
		}
		user := p.about
		if o := r.checker.ordersByID[p.about]; o != nil {
			user = o.user
		}
		if n := sent[p.ID]; n > 1 || n == 0 && !r.byID(user).deleted {
			return fmt.Errorf("%s was sent %d mails about %s", user, n, r.labels.event(p))
		}
	}
	return nil
}

// checkReconciled checks that the reconciliation of payments finds no difference from
// the provider's ledger.
func (r *run) checkReconciled(ctx context.Context) error {
	n := r.node("payments")
	for _, l := range n.loops {
		if l.Name == "reconciliation" {
			for n.step(l) > 0 {
			}
		}
	}
	if err := r.observe(ctx); err != nil {
		return err
	}
	_, answer := r.send(&request{service: "payments", method: "GET", path: "/payments/reconciliation", what: "reads the reconciliation"})
	var report struct{ Unknown, Mismatches int }
	if err := json.Unmarshal(answer, &report); err != nil {
		return fmt.Errorf("read the reconciliation: %w", err)
	}
	if report.Unknown+report.Mismatches > 0 {
		return fmt.Errorf("payments and provider do not agree: %s", answer)
	}
	return nil
}
