package store

import (
	"context"
	"fmt"
	"strings"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// Filter selects the orders of a list. Zero fields do not restrict it.
type Filter struct {
	UserID string
	Status order.Status
	Before string // only orders older than the one with this id
	Limit  int
}

// List returns the orders that f selects, newest first.
func List(ctx context.Context, q sqldb.Querier, f Filter) ([]*order.Order, error) {
	sql, args := f.query()
	return sqldb.All(ctx, q, scan, sql, args...)
}

// query returns the query for the orders. Finished and unfinished orders are in two indexes:
// an order changes its status while it is unfinished, and that should change no index.
func (f Filter) query() (sql string, args []any) {
	args = []any{f.Limit}
	add := func(condition, value string) string {
		if value == "" {
			return ""
		}
		args = append(args, value)
		return fmt.Sprintf(" AND %s $%d", condition, len(args))
	}
	conditions := add("user_id =", f.UserID) + add("status =", string(f.Status))
	finished := fmt.Sprintf("finished_as <> '' AND finished_as = $%d", len(args)) // the first is the condition of the index
	before := add("<", f.Before)
	selected := func(condition, key string) string {
		if before != "" {
			condition += strings.Replace(before, "AND ", "AND "+key+" ", 1)
		}
		return "SELECT " + columns + " FROM orders WHERE " + condition + conditions + " ORDER BY " + key + " DESC LIMIT $1"
	}
	// The unfinished orders are few: all of them are read and sorted. The expression keeps the
	// database from reading all orders in the sequence of their ids instead.
	unfinished := func() string { return selected("finished_as = ''", "id || ''") }
	switch {
	case f.UserID != "" || f.Status == "": // all orders of a customer are in one index
		return selected("TRUE", "id"), args
	case f.Status == order.Pending:
		return unfinished(), args
	case f.Status == order.Confirmed:
		return "SELECT * FROM (SELECT * FROM (" + selected(finished, "id") + ") AS finished UNION ALL SELECT * FROM (" + unfinished() +
			") AS unfinished) AS confirmed ORDER BY id DESC LIMIT $1", args
	}
	return selected(finished, "id"), args
}
