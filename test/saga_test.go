package test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// These scenarios drive the choreography saga of an order, on its way to the end and
// on each way back: a step that fails is undone by the compensations of the others.

func TestAnOrderIsPaidShippedAndDelivered(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		require.Equal(t, "pending", placed.Status)
		require.EqualValues(t, 3897, placed.Total.Amount)

		paid := s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		require.Equal(t, "confirmed", paid.Status)
		require.Equal(t, "captured", paid.PaymentState)
		require.EqualValues(t, 7, s.available(t, "lantern"))

		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/ship", nil, nil))
		require.ErrorContains(t, ada.CancelOrder(t.Context(), placed.ID), "409", "a shipped order cannot be cancelled")
		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/deliver", nil, nil))
		require.Equal(t, "delivered", s.awaitEvent(t, ada, placed.ID, "order.delivered.v1").Status)
		s.requireMails(t, placed.ID, "order.created", "order.paid", "order.shipped")
	})
}

func TestADeclinedCardCancelsTheOrderAndReleasesTheStock(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_insufficientFunds", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		cancelled := s.awaitEvent(t, ada, placed.ID, "stock.released.v1")
		require.Equal(t, "cancelled", cancelled.Status)
		require.Equal(t, "payment_declined", cancelled.CancelReason)
		require.Equal(t, "declined", cancelled.PaymentState)
		require.EqualValues(t, 10, s.available(t, "lantern"))
		s.requireMails(t, placed.ID, "order.created", "order.cancelled")
	})
}

func TestAnOrderForMoreThanTheStockIsNotPaid(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 11})
		require.NoError(t, err)
		cancelled := s.awaitEvent(t, ada, placed.ID, "payment.voided.v1")
		require.Equal(t, "cancelled", cancelled.Status)
		require.Equal(t, "stock_rejected", cancelled.CancelReason)
		require.Equal(t, "voided", cancelled.PaymentState)
		require.EqualValues(t, 10, s.available(t, "lantern"))
	})
}

func TestACancelledOrderIsRefundedAndRestocked(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		require.NoError(t, ada.CancelOrder(t.Context(), placed.ID))
		require.NoError(t, ada.CancelOrder(t.Context(), placed.ID), "cancelling again changes nothing")
		s.awaitEvent(t, ada, placed.ID, "stock.released.v1")
		cancelled := s.awaitEvent(t, ada, placed.ID, "payment.refunded.v1")
		require.Equal(t, "cancelled", cancelled.Status)
		require.Equal(t, "customer", cancelled.CancelReason)
		require.Equal(t, "refunded", cancelled.PaymentState)
		require.EqualValues(t, 10, s.available(t, "lantern"))
		s.requireMails(t, placed.ID, "order.created", "order.paid", "order.cancelled", "payment.refunded")
	})
}

func TestAChargeWhoseResponseTimedOutIsFound(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_fake_timeout_then_charged", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		paid := s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		require.Equal(t, "captured", paid.PaymentState)
	})
}

func TestACaptureThatFailsCancelsTheConfirmedOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_fake_capture_fails", client.Item{SKU: "lantern", Quantity: 2})
		require.NoError(t, err)
		cancelled := s.awaitEvent(t, ada, placed.ID, "stock.released.v1")
		require.Equal(t, "cancelled", cancelled.Status)
		require.Equal(t, "capture_failed", cancelled.CancelReason)
		require.EqualValues(t, 10, s.available(t, "lantern"))
	})
}

func TestARepeatedRequestPlacesOneOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		request := rawRequest{
			method: "POST", path: "/orders", body: validOrder,
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

// requireMails waits until exactly one mail of each kind was sent about an order, and no other.
func (s *system) requireMails(t *testing.T, orderID string, kinds ...string) {
	t.Helper()
	sent := map[string]int{}
	for _, kind := range kinds {
		sent[kind] = 1
	}
	require.Eventually(t, func() bool { return maps.Equal(sent, s.mails(t, orderID)) }, timeout, pollInterval,
		"the mails sent are %v, not %v", s.mails(t, orderID), kinds)
}

// mails returns how many mails were sent about an order, by kind.
func (s *system) mails(t *testing.T, orderID string) map[string]int {
	t.Helper()
	var list struct {
		Items []struct {
			Kind    string `json:"kind"`
			Channel string `json:"channel"`
			State   string `json:"state"`
		} `json:"items"`
	}
	require.NoError(t, s.admin.WithBase(s.URL("notifications")).Get(t.Context(), "/deliveries?order_id="+orderID, &list))
	sent := map[string]int{}
	for _, d := range list.Items {
		if d.Channel == "email" && d.State == "sent" {
			sent[d.Kind]++
		}
	}
	return sent
}
