package orders_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
)

func withAddress(address string) string {
	return `{"items":[{"sku":"tea","quantity":1}],"payment_method":"pm_card_visa","shipping_address":` + address + `}`
}

func TestAnAddressIsStoredWithAllThatTheCarrierNeeds(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := ada.Post(t, "/orders", withAddress(`{"name":"Ada","company":"Engines Ltd","line1":"1 Harbor St","city":"Arlington",
			"state":"VA","postal_code":"22201","country":"us","phone":"+1 (703) 555-0100"}`)).Want(t, 201, "shipping_address.country", "US").Field(t, "id")
		ada.Get(t, "/orders/"+id).Want(t, 200, "shipping_address.country", "US", "shipping_address.state", "VA",
			"shipping_address.company", "Engines Ltd", "shipping_address.phone", "+1 (703) 555-0100", "shipping_address.line2", nil)

		// There are no postal codes in Hong Kong; null and "" are as good as absent.
		for _, none := range []string{"", `,"postal_code":null`, `,"postal_code":""`} {
			id := ada.Post(t, "/orders", withAddress(`{"name":"Ada","line1":"1 Nathan Road","city":"Hong Kong","country":"HK"`+none+`}`)).
				Want(t, 201, "shipping_address.postal_code", "").Field(t, "id")
			ada.Get(t, "/orders/"+id).Want(t, 200, "shipping_address.postal_code", "", "shipping_address.state", nil)
		}
	})
}

// A replica of version 0.1 that runs beside this one writes and erases ship_to alone.
func TestAnAddressOutlivesAnOlderReplicaAndNothingOutlivesItsErasure(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		body := withAddress(`{"name":"Ada","line1":"1 St","city":"Arlington","state":"VA","postal_code":"22201","country":"US","phone":"1"}`)
		id := ada.Post(t, "/orders", body).Want(t, 201).Field(t, "id")
		h.Publishes(t, servicetest.Published[events.OrderCreated](t, h)[0])
		exec := func(sql string) {
			t.Helper()
			n, err := h.DB.Exec(t.Context(), sql, id)
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
		}
		exec(`UPDATE orders SET ship_to = '{"name":"Ada","line1":"1 St","city":"Arlington","postal_code":"22201","country":"US"}' WHERE id = $1`)
		ada.Get(t, "/orders/"+id).Want(t, 200, "shipping_address.state", "VA", "shipping_address.phone", "1")

		exec(`UPDATE orders SET ship_to = '' WHERE id = $1`)
		ada.Get(t, "/orders/"+id).Want(t, 200, "shipping_address", nil)
		h.Step(t, "erasure")
		var rest string
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT ship_to_more FROM orders WHERE id = $1", id).Scan(&rest))
		require.Empty(t, rest)
	})
}

func TestADeletedCustomersAddressIsErasedEntirely(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		body := withAddress(`{"name":"Ada","line1":"1 St","city":"Arlington","state":"VA","postal_code":"22201","country":"US","phone":"1"}`)
		id := ada.Post(t, "/orders", body).Want(t, 201).Field(t, "id")
		h.Consumes(t, events.UserDeleted{UserID: "ada", Version: 2})
		h.Settle(t)
		var shipTo, more string
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT ship_to, ship_to_more FROM orders WHERE id = $1", id).Scan(&shipTo, &more))
		require.Empty(t, shipTo+more)
	})
}

// The price changed while the customer looked at the total: reports shopware/shopware#1741,
// spree/spree#11801, zalando-incubator/zalando-commerce-ios#333.
func TestAnOrderIsNotPlacedAtAPriceThatTheCustomerHasNotSeen(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		seen := func(cents string) string {
			return `{"items":[{"sku":"tea","quantity":2}],"payment_method":"pm_card_visa","expected_total":{"amount":` + cents + `,"currency":"EUR"}}`
		}
		withKey := ada.With("Idempotency-Key", "the order")
		first := withKey.Post(t, "/orders", seen("700")).Want(t, 201, "total.amount", 700)
		h.Publishes(t, servicetest.Published[events.OrderCreated](t, h)[0])

		dearer := tea
		dearer.Price, dearer.Version = eur(400), 2
		h.Consumes(t, dearer)
		ada.Post(t, "/orders", seen("700")).Problem(t, 409, "price_changed")
		h.PublishesNothing(t)
		repeated := withKey.Post(t, "/orders", seen("700")).Want(t, 201)
		require.Equal(t, first.Field(t, "id"), repeated.Field(t, "id"), "a repeated request gets its first answer")
		ada.Post(t, "/orders", seen("800")).Want(t, 201, "total.amount", 800)
		ada.Post(t, "/orders", twoTeas).Want(t, 201, "total.amount", 800)
	})
}
