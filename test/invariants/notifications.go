package invariants

import (
	"context"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// EveryCustomerNotified checks what must hold when nothing is left to do and no
// sender's lease is left to expire: customers were sent every mail that their
// orders call for, except those that a later one had made out of date, and no mail and
// no push waits.
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

// supersedable are the kinds of mail that are left out if they are late and the order has
// gone on.
var supersedable = map[string]bool{"order.created": true, "order.paid": true}

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
		var state, channel string
		if err := r.Scan(&m.orderID, &m.kind, &state, &channel); err != nil {
			return struct{}{}, err
		}
		overtaken := channel == "push" && state == "suppressed" || // by a newer push about the order
			channel == "email" && state == "superseded" && supersedable[m.kind] // by a mail that is expected too
		if state != "sent" && !overtaken {
			return struct{}{}, fmt.Errorf("the %s %s of order %s is %s", m.kind, channel, m.orderID, state)
		}
		if channel == "email" {
			sent[m] = true
		}
		return struct{}{}, nil
	}, "SELECT order_id, kind, state, channel FROM deliveries")
	return sent, err
}

// ExpireLeases ends the leases of dead processes, so that others take up their work
// at once, and makes everything due that waits to be tried again.
func ExpireLeases(ctx context.Context, d Databases) error {
	if err := run(ctx, d["payments"], "UPDATE payments SET due_at = 1 WHERE due_at > 1", "UPDATE payment_leases SET ends_at = 1"); err != nil {
		return fmt.Errorf("payments: %w", err)
	}
	return ExpireDeliveries(ctx, d["notifications"])
}

// ExpireDeliveries is ExpireLeases for the database of notifications alone. A mail whose
// final dot was sent would be left alone until the server's reply can no longer come, which
// is minutes later.
func ExpireDeliveries(ctx context.Context, db sqldb.DB) error {
	err := run(ctx, db, "UPDATE deliveries SET next_at = 1 WHERE next_at > 1 OR next_at IS NULL AND phase = 'dot'",
		"UPDATE delivery_leases SET ends_at = 1")
	if err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	return nil
}

func run(ctx context.Context, db sqldb.DB, statements ...string) error {
	for _, statement := range statements {
		if _, err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
