package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// accountOverview is the response to GET /me/overview.
type accountOverview struct {
	Profile       struct{ Name string }
	Orders        []client.Order
	Payments      []struct{ State string }
	Notifications []struct{ Kind string }
	Missing       []struct{ Part, Code string }
}

// expandedOrder is the response to GET /orders/{id}?expand=payment,notifications.
type expandedOrder struct {
	client.Order
	Payment       *struct{ State string }
	Notifications []struct {
		Kind    string
		OrderID string `json:"order_id"`
	}
	Missing []struct{ Part, Code string }
}

// A customer sees the order with its payment and notifications in one request. While
// payments fails, everything else is still there.
func TestACustomerSeesAllOfAnOrderInOneRequest(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "teapot", 2599, 10)
		ada, other := s.newCustomer(t), s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "teapot", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")

		expanded := "/orders/" + placed.ID + "?expand=payment,notifications"
		var o expandedOrder
		require.Eventually(t, func() bool {
			o = expandedOrder{}
			return ada.Get(t.Context(), expanded, &o) == nil && len(o.Notifications) == 2
		}, timeout, pollInterval, "created and paid")
		require.Equal(t, placed.ID, o.ID)
		require.Equal(t, "captured", o.Payment.State)
		require.Equal(t, "order.paid", o.Notifications[0].Kind)
		require.Equal(t, placed.ID, o.Notifications[1].OrderID)
		require.Empty(t, o.Missing)
		require.ErrorContains(t, other.Get(t.Context(), expanded, nil), "there is no order", "of another customer")

		var mine accountOverview
		require.NoError(t, ada.Get(t.Context(), "/me/overview", &mine))
		require.Equal(t, "Ada <Lovelace>", mine.Profile.Name)
		require.Len(t, mine.Orders, 1)
		require.Len(t, mine.Payments, 1)
		require.NotEmpty(t, mine.Notifications)
		require.Empty(t, mine.Missing)
		var theirs accountOverview
		require.NoError(t, other.Get(t.Context(), "/me/overview", &theirs))
		require.Empty(t, theirs.Orders)

		repair := s.breakPayments(t)
		defer repair()
		o = expandedOrder{}
		require.NoError(t, ada.Get(t.Context(), expanded, &o))
		require.Equal(t, placed.ID, o.ID)
		require.Nil(t, o.Payment)
		require.Len(t, o.Notifications, 2)
		require.Len(t, o.Missing, 1)
		require.Equal(t, "payment", o.Missing[0].Part)
	})
}
