package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/sqldb"
)

// delayedLines are formatted when a wait has failed.
type delayedLines struct{ lines *[]string }

func (d delayedLines) String() string { return strings.Join(*d.lines, ", ") }

// lose empties a table in which a service keeps data of another, as when its database is
// lost, and starts the service again.
func (s *installation) lose(t *testing.T, service string, tables ...string) {
	t.Helper()
	node := s.nodeOf(service)
	require.NoError(t, s.Stop(node))
	db := s.database(t, service)
	for _, table := range tables {
		_, err := db.Exec(t.Context(), "DELETE FROM "+table)
		require.NoError(t, err)
	}
	require.NoError(t, s.Start(t.Context(), node))
}

// nodeOf returns the name of the process that a service runs in.
func (s *installation) nodeOf(service string) string {
	nodes := s.Nodes()
	if len(nodes) == 1 {
		return nodes[0]
	}
	return service
}

// Each copy that a service keeps of another's data is lost in turn. The service asks for it
// by itself, and everything works again.
func TestAServiceThatHasLostItsProjectionGetsItAgain(t *testing.T) {
	eachInstallation(t, []string{"INVENTORY_DEMO_CATALOGUE=false"}, func(t *testing.T, s *installation) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		item := client.Item{SKU: "lantern", Quantity: 1}

		s.lose(t, "orders", "products", "stock_levels")
		var placed client.Order
		var err error
		require.Eventually(t, func() bool {
			placed, err = ada.PlaceOrder(t.Context(), "pm_card_visa", item)
			return err == nil
		}, timeout, 50*pollInterval, "%v", err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")

		s.lose(t, "notifications", "recipients")
		placed, err = ada.PlaceOrder(t.Context(), "pm_card_visa", item)
		require.NoError(t, err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		var waiting []string
		require.Eventually(t, func() bool {
			waiting, err = sqldb.All(t.Context(), s.database(t, "notifications"), func(r sqldb.Row) (line string, err error) {
				var kind, state, reply string
				err = r.Scan(&kind, &state, &reply)
				return kind + " " + state + " " + reply, err
			}, "SELECT kind, state, reply FROM deliveries WHERE channel = 'email' AND state NOT IN ('sent', 'superseded')")
			return err == nil && len(waiting) == 0
		}, timeout, 50*pollInterval, "the mails are sent when the address is known again: %v", delayedLines{&waiting})
	})
}

// An operator has everything published again, which changes nothing where nothing was lost,
// and goes on if it is done again.
func TestTheOperatorHasEverythingPublishedAgain(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		s.addProduct(t, "lantern", 1299, 10)
		db := s.database(t, "orders")
		count := func() (n int) {
			require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM products").Scan(&n))
			return n
		}
		require.Eventually(t, func() bool { return count() == 9 }, timeout, 50*pollInterval, "the demo's and the lantern")
		_, err := db.Exec(t.Context(), "DELETE FROM products WHERE sku = 'lantern'")
		require.NoError(t, err)

		require.Contains(t, s.troupe(t, "republish", "inventory", "products", "--to", "orders", "--at", s.URL("inventory")), "published 18 events in ")
		require.Eventually(t, func() bool { return count() == 9 }, timeout, 50*pollInterval)
		require.Contains(t, s.troupe(t, "republish", "users", "users", "--at", s.URL("users")), "published 2 events in ", "the operator and the admin of this test")
		require.Equal(t, 9, count())

		var log struct {
			Items []struct{ Action, Target, Detail string }
		}
		require.NoError(t, s.admin.WithBase(s.URL("inventory")).Get(t.Context(), "/audit/inventory", &log))
		require.Equal(t, "republish products orders", log.Items[0].Action+" "+log.Items[0].Target+" "+log.Items[0].Detail)

		err = s.admin.WithBase(s.URL("inventory")).Post(t.Context(), "/republications", map[string]string{"projection": "users"}, nil)
		require.ErrorContains(t, err, `this service does not publish "users" again; it can publish products`)
	})
}
