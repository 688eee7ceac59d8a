package test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each service has a database of its own, which holds no table of another service.
func TestEachServiceKeepsToItsOwnDatabase(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		owns := map[string]string{
			"users": "accounts", "orders": "order_timeline", "notifications": "deliveries", "inventory": "reservations", "payments": "payments",
		}
		for service := range owns {
			db := s.database(t, service)
			for owner, table := range owns {
				var n int
				err := db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n)
				if owner == service {
					require.NoError(t, err)
				} else {
					require.Error(t, err, "table %s of %s is in the database of %s", table, owner, service)
				}
			}
		}
	})
}
