package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// A service that turns a request away is asked again, if that can do no harm, and
// the customer never notices.
func TestWhatASecondTryCanMendIsMended(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		order := raw{method: "POST", path: "/orders", body: goodOrder, header: map[string]string{
			"Authorization": "Bearer " + ada.Token(), "Content-Type": "application/json",
		}}
		s.turnAway(t, "inventory", 2)
		require.Equal(t, 200, s.send(t, raw{method: "GET", path: "/products/lantern"}).status)
		require.Equal(t, "2", s.metric(t, `gateway_retries_total{upstream="inventory"}`))

		s.turnAway(t, "orders", 1)
		require.Equal(t, 503, s.send(t, order).status, "nobody can tell whether a second try would be a second order")
		order.header["Idempotency-Key"] = "once"
		s.turnAway(t, "orders", 1)
		require.Equal(t, 201, s.send(t, order).status, "the key tells")
		var list struct {
			Items []client.Order `json:"items"`
		}
		require.NoError(t, ada.Get(t.Context(), "/orders", &list))
		require.Len(t, list.Items, 1)
	})
}

// Retries are a share of all requests, so that a service in trouble is not buried
// by those who want to help: when it is used up, customers hear of the trouble.
func TestRetriesEndWithTheirBudget(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		look := func() int { return s.send(t, raw{method: "GET", path: "/products/lantern"}).status }
		mended := 0
		require.Eventually(t, func() bool {
			s.turnAway(t, "inventory", 1)
			if look() == 503 {
				return true
			}
			mended++
			for range 3 { // most requests go well, so that the breaker has no reason to open
				require.Equal(t, 200, look())
			}
			return false
		}, patience, tick, "every request is tried again")
		require.GreaterOrEqual(t, mended, 5, "a few retries are always allowed")
		require.Equal(t, "CLOSED", s.circuit(t, "inventory"))
	})
}
