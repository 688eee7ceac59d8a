package simulation

import (
	"context"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// checkRest checks a world at rest.
func (w *world) checkRest(ctx context.Context) error {
	return errors.Join(w.checkOrders(), w.checkHeard(), w.checkTally(ctx), w.checkProjections(ctx), w.checkTold(ctx), w.checkReconciled(ctx))
}

// checkOrders demands that no request placed two orders.
func (w *world) checkOrders() error {
	if n := len(w.witness.orders); n > w.requests {
		return fmt.Errorf("%d requests placed %d orders", w.requests, n)
	}
	return nil
}

// checkHeard demands that every event reached everybody it concerns.
func (w *world) checkHeard() error {
	for _, f := range w.witness.journal {
		for _, service := range w.witness.topology[f.Type] {
			if !w.witness.heard[service][f.ID] || w.witness.parked[service][f.ID] {
				return fmt.Errorf("%s never handled %s", service, w.names.event(f))
			}
		}
	}
	return nil
}

// checkProjections demands that what services keep of each other's data is what
// those have.
func (w *world) checkProjections(ctx context.Context) error {
	orders, inventory, notifications := w.node("orders").store, w.node("inventory").store, w.node("notifications").store
	var accounts []string
	for _, c := range w.customers[1:] {
		accounts = append(accounts, fmt.Sprintf("%s %d %t", c.id, c.version, c.gone))
	}
	known, err := texts(ctx, notifications, "SELECT user_id || ' ' || version || CASE WHEN deleted THEN ' true' ELSE ' false' END FROM recipients ORDER BY user_id")
	return errors.Join(err, same("accounts that notifications knows", known, accounts),
		sameRows(ctx, "products that orders knows", orders, inventory,
			"SELECT sku || ' ' || amount || ' ' || active FROM products ORDER BY sku", "SELECT sku || ' ' || price || ' ' || active FROM products ORDER BY sku"),
		sameRows(ctx, "stock that orders knows", orders, inventory,
			"SELECT sku || ' ' || available FROM stock_levels ORDER BY sku", "SELECT sku || ' ' || available FROM stock ORDER BY sku"))
}

func sameRows(ctx context.Context, what string, copyDB, original sqldb.DB, copySQL, originalSQL string) error {
	got, err := texts(ctx, copyDB, copySQL)
	if err != nil {
		return err
	}
	want, err := texts(ctx, original, originalSQL)
	if err != nil {
		return err
	}
	return same(what, got, want)
}

func same(what string, got, want []string) error {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("the %s are %q, but should be %q", what, got, want)
	}
	return nil
}

func texts(ctx context.Context, db sqldb.DB, sql string) ([]string, error) {
	return sqldb.All(ctx, db, func(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) }, sql)
}
