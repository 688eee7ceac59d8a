package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/test/cluster"
)

// PgBouncer gives every transaction any of its sessions (jackc/pgx#602). Nothing has to be
// set for that.
func TestTheSagaRunsBehindAPooler(t *testing.T) {
	t.Parallel()
	databases := map[string]string{}
	for _, service := range cluster.Backends() {
		databases[service] = sqldbtest.CreateDatabase(t, "")
	}
	s := startSystem(t, cluster.Config{
		Kind: cluster.Replicated, Replicas: 2,
		Databases: sqldbtest.PgBouncer(t, databases, "pool_mode = transaction", "default_pool_size = 4", "max_client_conn = 500"),
	})
	s.addProduct(t, "lantern", 1299, 100)
	ada := s.newCustomer(t)
	var paid []string
	for range 20 {
		o, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		paid = append(paid, o.ID)
	}
	declined, err := ada.PlaceOrder(t.Context(), "pm_card_chargeDeclined", client.Item{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	for _, id := range paid {
		require.Equal(t, "confirmed", s.awaitEvent(t, ada, id, "order.paid.v1").Status)
	}
	require.Equal(t, "cancelled", s.awaitEvent(t, ada, declined.ID, "stock.released.v1").Status)
	awaitQuiet(t, openDatabases(t, s.Cluster))
}
