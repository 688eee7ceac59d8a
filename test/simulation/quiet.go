package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"troupe/platform/sqldb"
)

// checkQuiet checks what must hold when nothing is left to do.
func (r *run) checkQuiet(ctx context.Context) error {
	return errors.Join(r.checkOrders(), r.checkHandled(), r.checkTimelines(ctx), r.checkCounts(ctx), r.checkAccounts(ctx), r.checkNotified(ctx), r.checkReconciled(ctx))
}

// checkOrders checks that no request placed two orders.
func (r *run) checkOrders() error {
	if n := len(r.checker.orders); n > r.orderRequests {
		return fmt.Errorf("%d requests placed %d orders", r.orderRequests, n)
	}
	return nil
}

// checkHandled checks that every event was handled by all its consumers.
func (r *run) checkHandled() error {
	for _, p := range r.checker.journal {
		for _, service := range r.checker.topology[p.Type] {
			if !r.checker.handled[service][p.ID] || r.checker.parked[service][p.ID] {
				return fmt.Errorf("%s never handled %s", service, r.labels.event(p))
			}
		}
	}
	return nil
}

// checkTimelines checks that the timeline of every order has each event about it once: those
// that orders has published, and those that it has consumed. The deletion of an account is
// one more for each order of the customer that was there already.
func (r *run) checkTimelines(ctx context.Context) error {
	events := map[string]int{}
	for _, p := range r.checker.journal {
		if p.source == "orders" || slices.Contains(r.checker.topology[p.Type], "orders") {
			events[p.about]++
		}
	}
	var errs []error
	_, err := sqldb.All(ctx, r.node("orders").store, func(row sqldb.Row) (none struct{}, err error) {
		var id, timeline string
		err = row.Scan(&id, &timeline)
		entries := strings.Count(timeline, "\n") - strings.Count(timeline, "\tuser.deleted.v1\t")
		if err == nil && entries != events[id] {
			errs = append(errs, fmt.Errorf("the timeline of %s has %d entries about %d events", r.labels.of(id), entries, events[id]))
		}
		return none, err
	}, "SELECT id, timeline FROM orders")
	return errors.Join(append(errs, err)...)
}

// checkAccounts checks that notifications has the latest version of every account.
func (r *run) checkAccounts(ctx context.Context) error {
	var accounts []string
	for _, c := range r.customers[1:] {
		accounts = append(accounts, fmt.Sprintf("%s %d %t", c.id, c.version, c.deleted))
	}
	known, err := queryTexts(ctx, r.node("notifications").store,
		"SELECT user_id || ' ' || version || CASE WHEN deleted THEN ' true' ELSE ' false' END FROM recipients ORDER BY user_id")
	return errors.Join(err, requireEqual("accounts that notifications keeps", known, accounts))
}

// requireEqual returns an error if got is not what it should be.
func requireEqual(what string, got, want []string) error {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("the %s are %q, but should be %q", what, got, want)
	}
	return nil
}

// queryTexts returns the rows of a query with one column of text.
func queryTexts(ctx context.Context, db sqldb.DB, sql string) ([]string, error) {
	return sqldb.All(ctx, db, func(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) }, sql)
}
