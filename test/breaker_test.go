package test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// The gateway stops calling a service that fails, which affects no other service,
// and calls it again once it has recovered.
func TestTheCircuitOfAFailingServiceOpensUntilItRecovers(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		bearer := map[string]string{"Authorization": "Bearer " + ada.Token()}
		payments := rawRequest{method: "GET", path: "/payments", header: bearer}
		require.Equal(t, 200, s.send(t, payments).status)
		require.Equal(t, "CLOSED", s.circuit(t, "payments"))

		repair := s.breakPayments(t)
		require.Eventually(t, func() bool {
			a := s.send(t, payments)
			require.Contains(t, []int{500, 503}, a.status, "%s", a.body)
			if a.code != "circuit_open" {
				return false
			}
			require.Equal(t, 503, a.status)
			require.NotEmpty(t, a.header.Get("Retry-After"))
			return true
		}, timeout, pollInterval, "the circuit does not open")
		require.Equal(t, "OPEN", s.circuit(t, "payments"))
		require.Regexp(t, "^[1-9]", s.metric(t, `troupe_gateway_breaker_transitions_total{to="OPEN",upstream="payments"}`))

		for _, path := range []string{"/users/me", "/products", "/orders", "/notifications"} {
			require.Equal(t, 200, s.send(t, rawRequest{method: "GET", path: path, header: bearer}).status, path)
		}
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err, "orders are accepted nevertheless")

		repair()
		require.Eventually(t, func() bool { return s.send(t, payments).status == 200 }, timeout, pollInterval, "payments is not called again")
		require.Equal(t, "HALF_OPEN", s.circuit(t, "payments"), "one success is not enough")
		require.Equal(t, 200, s.send(t, payments).status)
		require.Equal(t, 200, s.send(t, payments).status)
		require.Equal(t, "CLOSED", s.circuit(t, "payments"))
		require.Regexp(t, "^[1-9]", s.metric(t, `troupe_gateway_breaker_transitions_total{to="HALF_OPEN",upstream="payments"}`))
		require.Equal(t, "1", s.metric(t, `troupe_gateway_breaker_transitions_total{to="CLOSED",upstream="payments"}`))
		require.Equal(t, "captured", s.awaitEvent(t, ada, placed.ID, "order.paid.v1").PaymentState, "and paid once payments has recovered")
	})
}

// breakPayments renames a table of the payments service, which fails until it is repaired.
func (s *system) breakPayments(t *testing.T) (repair func()) {
	t.Helper()
	db := s.database(t, "payments")
	rename := func(from, to string) {
		t.Helper()
		_, err := db.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
		require.NoError(t, err)
	}
	rename("payments", "payments_missing")
	return func() {
		t.Helper()
		rename("payments_missing", "payments")
	}
}

// circuit returns the state of the gateway's circuit breaker for a service.
func (s *system) circuit(t *testing.T, service string) string {
	t.Helper()
	return map[string]string{"0": "CLOSED", "1": "OPEN", "2": "HALF_OPEN"}[s.metric(t, `troupe_gateway_breaker_state{upstream="`+service+`"}`)]
}

// metric returns the value of one of the gateway's metrics; "" if there is none.
func (s *system) metric(t *testing.T, name string) string {
	t.Helper()
	a := s.send(t, rawRequest{method: "GET", path: "/metrics"})
	require.Equal(t, 200, a.status)
	value := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(a.body)
	if value == nil {
		return ""
	}
	return string(value[1])
}
