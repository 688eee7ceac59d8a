package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
)

// A service that has lost its copy of the catalogue asks for it, and gets every product as
// it is now, also one that is not on offer.
func TestProductsArePublishedAgainAsTheyAreNow(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		withdrawn := product("The poster", 1200)
		withdrawn["active"] = false
		admin(h).Put(t, "/products/poster", withdrawn).Want(t, 200)
		h.Consumes(t, created("o1", "mask", 4))
		h.Publishes(t,
			events.ProductChanged{SKU: "poster", Name: "The poster", Price: eur(1200), Active: false, Version: 2},
			events.StockReserved{OrderID: "o1", Lines: masks(4)},
			events.StockChanged{SKU: "mask", Available: 6, Version: 3})

		everything := []events.ProductChanged{
			{SKU: "mask", Name: "The mask", Price: eur(1200), Active: true, Version: 1},
			{SKU: "poster", Name: "The poster", Price: eur(1200), Active: false, Version: 2},
		}
		h.Consumes(t, events.ProjectionRequested{Projection: "products", Consumer: "orders"})
		h.Publishes(t, everything[0], events.StockChanged{SKU: "mask", Available: 6, Version: 3},
			everything[1], events.StockChanged{SKU: "poster", Available: 3, Version: 2})
		h.Redelivers(t)
		h.PublishesNothing(t)
	})
}

func TestOnlyAnAdminHasProductsPublishedAgain(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		body := map[string]any{"projection": "products", "consumer": "orders"}
		h.As("ada", "user").Post(t, "/republications", body).Problem(t, 403, "role_required")
		admin(h).Post(t, "/republications", body).Want(t, 200, "projection", "products", "published", 0)
		h.Settle(t)
		admin(h).Get(t, "/republications").Want(t, 200, "items.0.published", 4, "items.0.consumer", "orders")
		admin(h).Post(t, "/republications", map[string]any{"projection": "users"}).Problem(t, 404, "projection_unknown")
		admin(h).Post(t, "/republications", map[string]any{"projection": "products", "consumer": "kitchen"}).Problem(t, 422, "consumer_unknown")
		require.Contains(t, h.Audited(t), "admin-1 republish ok products")
	})
}
