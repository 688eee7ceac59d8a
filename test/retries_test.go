package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// A request that a service rejects is sent again if that is safe, unnoticed by the customer.
func TestASafeRequestIsRetried(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		order := rawRequest{method: "POST", path: "/orders", body: validOrder, header: map[string]string{
			"Authorization": "Bearer " + ada.Token(), "Content-Type": "application/json",
		}}
		s.rejectNext(t, "inventory", 2)
		require.Equal(t, 200, s.send(t, rawRequest{method: "GET", path: "/products/lantern"}).status)
		require.Equal(t, "2", s.metric(t, `troupe_gateway_upstream_retries_total{upstream="inventory"}`))

		s.rejectNext(t, "orders", 1)
		require.Equal(t, 503, s.send(t, order).status, "a retry might place a second order")
		order.header["Idempotency-Key"] = "once"
		s.rejectNext(t, "orders", 1)
		require.Equal(t, 201, s.send(t, order).status, "the key makes the retry safe")
		var list struct {
			Items []client.Order `json:"items"`
		}
		require.NoError(t, ada.Get(t.Context(), "/orders", &list))
		require.Len(t, list.Items, 1)
	})
}

// Retries are limited to a share of all requests, so that they do not overload a
// service in trouble: when the budget is spent, customers get the error.
func TestRetriesStopWhenTheBudgetIsSpent(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		get := func() int { return s.send(t, rawRequest{method: "GET", path: "/products/lantern"}).status }
		retried := 0
		require.Eventually(t, func() bool {
			s.rejectNext(t, "inventory", 1)
			if get() == 503 {
				return true
			}
			retried++
			for range 3 { // most requests succeed, so that the breaker does not open
				require.Equal(t, 200, get())
			}
			return false
		}, timeout, pollInterval, "every request is retried")
		require.GreaterOrEqual(t, retried, 5, "a few retries are always allowed")
		require.Equal(t, "CLOSED", s.circuit(t, "inventory"))
	})
}
