package test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

func TestAnOrderIsPaidShippedAndDelivered(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		require.Equal(t, "pending", placed.Status)
		require.EqualValues(t, 3897, placed.Total.Amount)

		paid := s.until(t, ada, placed.ID, "order.paid.v1")
		require.Equal(t, "confirmed", paid.Status)
		require.Equal(t, "captured", paid.PaymentState)
		require.EqualValues(t, 7, s.available(t, "lantern"))

		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/ship", nil, nil))
		require.ErrorContains(t, ada.CancelOrder(t.Context(), placed.ID), "409", "a shipped order can not be cancelled")
		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/deliver", nil, nil))
		require.Equal(t, "delivered", s.until(t, ada, placed.ID, "order.delivered.v1").Status)
		s.mailed(t, placed.ID, "order.created", "order.paid", "order.shipped")
	})
}

func TestADeclinedCardCancelsTheOrderAndReleasesTheStock(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_insufficientFunds", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		off := s.until(t, ada, placed.ID, "stock.released.v1")
		require.Equal(t, "cancelled", off.Status)
		require.Equal(t, "payment_declined", off.CancelReason)
		require.Equal(t, "declined", off.PaymentState)
		require.EqualValues(t, 10, s.available(t, "lantern"))
		s.mailed(t, placed.ID, "order.created", "order.cancelled")
	})
}

func TestWhatIsOutOfStockIsNotPaidFor(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 11})
		require.NoError(t, err)
		off := s.until(t, ada, placed.ID, "payment.voided.v1")
		require.Equal(t, "cancelled", off.Status)
		require.Equal(t, "stock_rejected", off.CancelReason)
		require.Equal(t, "voided", off.PaymentState)
		require.EqualValues(t, 10, s.available(t, "lantern"))
	})
}

func TestACancelledOrderIsRefundedAndRestocked(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		s.until(t, ada, placed.ID, "order.paid.v1")
		require.NoError(t, ada.CancelOrder(t.Context(), placed.ID))
		require.NoError(t, ada.CancelOrder(t.Context(), placed.ID), "cancelling twice is cancelling once")
		s.until(t, ada, placed.ID, "stock.released.v1")
		off := s.until(t, ada, placed.ID, "payment.refunded.v1")
		require.Equal(t, "cancelled", off.Status)
		require.Equal(t, "customer", off.CancelReason)
		require.Equal(t, "refunded", off.PaymentState)
		require.EqualValues(t, 10, s.available(t, "lantern"))
		s.mailed(t, placed.ID, "order.created", "order.paid", "order.cancelled", "payment.refunded")
	})
}

func TestAProviderThatTimesOutAfterChargingIsAsked(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_fake_timeout_then_charged", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		paid := s.until(t, ada, placed.ID, "order.paid.v1")
		require.Equal(t, "captured", paid.PaymentState)
	})
}

func TestACaptureThatFailsCancelsTheConfirmedOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_fake_capture_fails", client.Item{SKU: "lantern", Quantity: 2})
		require.NoError(t, err)
		off := s.until(t, ada, placed.ID, "stock.released.v1")
		require.Equal(t, "cancelled", off.Status)
		require.Equal(t, "capture_failed", off.CancelReason)
		require.EqualValues(t, 10, s.available(t, "lantern"))
	})
}

func TestARepeatedRequestIsOneOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		request := raw{
			method: "POST", path: "/orders", body: `{"items":[{"sku":"lantern","quantity":1}],"payment_method":"pm_card_visa"}`,
			header: map[string]string{"Authorization": "Bearer " + ada.Token(), "Content-Type": "application/json", "Idempotency-Key": "once"},
		}
		first := s.send(t, request)
		require.Equal(t, 201, first.status, "%s", first.body)
		second := s.send(t, request)
		require.Equal(t, 201, second.status)
		require.JSONEq(t, string(first.body), string(second.body))
		request.body = `{"items":[{"sku":"lantern","quantity":2}],"payment_method":"pm_card_visa"}`
		require.Equal(t, 422, s.send(t, request).status, "the same key for another body")
		var list struct {
			Items []client.Order `json:"items"`
		}
		require.NoError(t, ada.Get(t.Context(), "/orders", &list))
		require.Len(t, list.Items, 1)
	})
}

// mailed demands exactly one mail of each kind about an order, and no other.
func (s *system) mailed(t *testing.T, orderID string, kinds ...string) {
	t.Helper()
	sent := map[string]int{}
	for _, kind := range kinds {
		sent[kind] = 1
	}
	require.Eventually(t, func() bool { return maps.Equal(sent, s.mails(t, orderID)) }, patience, tick,
		"the mails sent are %v, not %v", s.mails(t, orderID), kinds)
}

// mails counts the mails sent about an order by kind.
func (s *system) mails(t *testing.T, orderID string) map[string]int {
	t.Helper()
	var list struct {
		Items []struct {
			Kind    string `json:"kind"`
			Channel string `json:"channel"`
			State   string `json:"state"`
		} `json:"items"`
	}
	require.NoError(t, s.admin.WithBase(s.url("notifications")).Get(t.Context(), "/deliveries?order_id="+orderID, &list))
	sent := map[string]int{}
	for _, d := range list.Items {
		if d.Channel == "email" && d.State == "sent" {
			sent[d.Kind]++
		}
	}
	return sent
}
