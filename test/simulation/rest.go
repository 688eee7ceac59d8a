package simulation

import (
	"context"
	"errors"
	"fmt"

	"troupe/platform/sqldb"
)

// checkRest checks a world at rest.
func (w *world) checkRest(ctx context.Context) error {
	return errors.Join(w.checkOrders(), w.checkHeard(), w.checkTally(ctx), w.checkAccounts(ctx), w.checkTold(ctx), w.checkReconciled(ctx))
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

// checkAccounts demands that notifications knows the accounts as they are.
func (w *world) checkAccounts(ctx context.Context) error {
	var accounts []string
	for _, c := range w.customers[1:] {
		accounts = append(accounts, fmt.Sprintf("%s %d %t", c.id, c.version, c.gone))
	}
	known, err := texts(ctx, w.node("notifications").store,
		"SELECT user_id || ' ' || version || CASE WHEN deleted THEN ' true' ELSE ' false' END FROM recipients ORDER BY user_id")
	return errors.Join(err, same("accounts that notifications knows", known, accounts))
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
