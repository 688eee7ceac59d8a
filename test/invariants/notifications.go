package invariants

import (
	"context"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// EveryCustomerNotified checks what must hold when nothing is left to do and no
// sender's lease is left to expire: customers were sent every mail that their
// orders call for, and no mail waits.
func EveryCustomerNotified(ctx context.Context, d Databases) error {
	sent, err := sentMails(ctx, d["notifications"])
	if err != nil {
		return fmt.Errorf("read notifications: %w", err)
	}
	s := &state{}
	if err := s.readOrders(ctx, d["orders"]); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	var errs []error
	for _, o := range s.orders {
		for _, kind := range o.expectedMails() {
			if !sent[mail{o.id, kind}] {
				errs = append(errs, fmt.Errorf("order %s is %s, but no %s mail was sent", o.id, o.status, kind))
			}
		}
	}
	return errors.Join(errs...)
}

type mail struct{ orderID, kind string }

// expectedMails returns the kinds of mail that the order calls for.
func (o order) expectedMails() []string {
	kinds := []string{"order.created"}
	if o.paid {
		kinds = append(kinds, "order.paid")
	}
	switch o.status {
	case "cancelled":
		kinds = append(kinds, "order.cancelled")
	case "shipped", "delivered":
		kinds = append(kinds, "order.shipped")
	}
	return kinds
}

func sentMails(ctx context.Context, db sqldb.DB) (map[mail]bool, error) {
	sent := map[mail]bool{}
	_, err := sqldb.All(ctx, db, func(r sqldb.Row) (struct{}, error) {
		var m mail
		var state string
		if err := r.Scan(&m.orderID, &m.kind, &state); err != nil {
			return struct{}{}, err
		}
		if state != "sent" {
			return struct{}{}, fmt.Errorf("the %s mail of order %s is %s", m.kind, m.orderID, state)
		}
		sent[m] = true
		return struct{}{}, nil
	}, "SELECT order_id, kind, state FROM deliveries")
	return sent, err
}

// ExpireLeases ends the leases of dead processes, so that others take up their work
// at once, and makes everything due that waits to be tried again.
func ExpireLeases(ctx context.Context, d Databases) error {
	for service, statement := range map[string]string{
		"payments":      "UPDATE payments SET due_at = 1 WHERE due_at > 1",
		"notifications": "UPDATE deliveries SET next_at = 1 WHERE next_at > 1",
	} {
		if _, err := d[service].Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
	}
	return nil
}
