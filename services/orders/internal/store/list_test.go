package store

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/orders/internal/order"
)

// ended returns an order with that status, paid unless it is undecided or cancelled.
func ended(id, user string, status order.Status, paid bool) *order.Order {
	o := anOrder(id)
	o.UserID, o.Status, o.Paid = user, status, paid
	return o
}

func TestListsSelectByStatusCustomerAndPage(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		for _, o := range []*order.Order{
			ended("2", "bob", order.Confirmed, false), ended("3", "ada", order.Confirmed, true), ended("4", "ada", order.Cancelled, false),
			ended("5", "ada", order.Confirmed, false), ended("6", "bob", order.Confirmed, true), ended("7", "ada", order.Delivered, true),
			ended("8", "bob", order.Pending, false), ended("9", "ada", order.Shipped, true),
		} {
			require.NoError(t, Insert(ctx, db, []*order.Order{o}))
		}
		for want, f := range map[string]Filter{
			"987654321": {}, "7654321": {Before: "8"}, "975431": {UserID: "ada"}, "81": {Status: order.Pending}, "1": {Status: order.Pending, Before: "8"},
			"6532": {Status: order.Confirmed}, "532": {Status: order.Confirmed, Before: "6"}, "32": {Status: order.Confirmed, Before: "5"},
			"53": {Status: order.Confirmed, UserID: "ada"}, "62": {Status: order.Confirmed, UserID: "bob", Before: "7"},
			"4": {Status: order.Cancelled}, "9": {Status: order.Shipped}, "7": {Status: order.Delivered, UserID: "ada"}, "": {Status: order.Delivered, UserID: "bob"},
		} {
			f.Limit = 20
			orders, err := List(ctx, db, f)
			require.NoError(t, err)
			var got string
			for _, o := range orders {
				got += o.ID
			}
			require.Equal(t, want, got, f)
		}
	})
}

// SQLite chooses its indexes without regard to the number of rows, so its plans show what a
// list costs in a large table.
func TestListsReadOnlyWhatTheyShow(t *testing.T) {
	t.Parallel()
	db := sqldbtest.SQLite(t, Migrations)
	for _, user := range []string{"", "ada"} {
		for _, before := range []string{"", "5"} {
			for status, index := range map[order.Status]string{
				order.Pending: "orders_unfinished", order.Confirmed: "orders_unfinished", order.Shipped: "orders_finished",
				order.Delivered: "orders_finished", order.Cancelled: "orders_finished",
			} {
				sql, args := Filter{UserID: user, Status: status, Before: before, Limit: 20}.query()
				plan := explain(t, db, sql, args...)
				if user != "" {
					index = "orders_by_user"
				}
				require.Contains(t, plan, index, sql)
				require.NotContains(t, plan, "autoindex_orders_1", "it reads all orders: %s\n%s", sql, plan)
				require.NotContains(t, plan+"\n", "SCAN orders\n", sql)
			}
		}
	}
}

func explain(t *testing.T, db sqldb.DB, sql string, args ...any) string {
	t.Helper()
	var lines []string
	require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) (err error) {
		lines, err = sqldb.All(ctx, tx, func(r sqldb.Row) (line string, err error) {
			var id, parent, unused int
			err = r.Scan(&id, &parent, &unused, &line)
			return line, err
		}, "EXPLAIN QUERY PLAN "+sql, args...)
		return err
	}))
	return strings.Join(lines, "\n")
}
