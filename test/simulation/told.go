package simulation

import (
	"context"
	"encoding/json"
	"fmt"

	"troupe/platform/sqldb"
)

// mailed are the events that customers get a mail about.
var mailed = map[string]bool{
	"user.registered.v1": true, "order.created.v1": true, "order.paid.v1": true, "order.cancelled.v1": true,
	"order.shipped.v1": true, "payment.refunded.v1": true,
}

// checkTold demands that each customer was told each thing once. One whose account
// is gone may have been told, or not.
func (w *world) checkTold(ctx context.Context) error {
	sent := map[string]int{}
	_, err := sqldb.All(ctx, w.node("notifications").store, func(r sqldb.Row) (s struct{}, err error) {
		var event, state string
		if err := r.Scan(&event, &state); err != nil {
			return s, err
		}
		if state == "sent" {
			sent[event]++
		}
		return s, nil
	}, "SELECT event_id, state FROM deliveries")
	if err != nil {
		return err
	}
	for _, f := range w.witness.journal {
		if !mailed[f.Type] {
			continue
		}
		user := f.about
		if o := w.witness.ordersByID[f.about]; o != nil {
			user = o.user
		}
		if n := sent[f.ID]; n > 1 || n == 0 && !w.byID(user).gone {
			return fmt.Errorf("%s was told %d times of %s", user, n, w.names.event(f))
		}
	}
	return nil
}

// checkReconciled demands that payments finds its books to agree with the provider's.
func (w *world) checkReconciled(ctx context.Context) error {
	n := w.node("payments")
	for _, l := range n.loops {
		if l.Name == "reconciliation" {
			for n.step(l) > 0 {
			}
		}
	}
	if err := w.observe(ctx); err != nil {
		return err
	}
	_, answer := w.send(&request{service: "payments", method: "GET", path: "/payments/reconciliation", what: "compares the books"})
	var report struct{ Unknown, Mismatches int }
	if err := json.Unmarshal(answer, &report); err != nil {
		return fmt.Errorf("read the reconciliation: %w", err)
	}
	if report.Unknown+report.Mismatches > 0 {
		return fmt.Errorf("payments and provider do not agree: %s", answer)
	}
	return nil
}
