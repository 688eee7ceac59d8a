package test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// A service that fails is left alone, which harms nobody else, and is called again
// when it has recovered.
func TestAServiceThatFailsIsLeftAloneUntilItRecovers(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.offer(t, "lantern", 1299, 10)
		ada := s.customer(t)
		bearer := map[string]string{"Authorization": "Bearer " + ada.Token()}
		payments := raw{method: "GET", path: "/payments", header: bearer}
		require.Equal(t, 200, s.send(t, payments).status)
		require.Equal(t, "CLOSED", s.circuit(t, "payments"))

		mend := s.breakPayments(t)
		require.Eventually(t, func() bool {
			a := s.send(t, payments)
			require.Contains(t, []int{500, 503}, a.status, "%s", a.body)
			if a.code != "circuit_open" {
				return false
			}
			require.Equal(t, 503, a.status)
			require.NotEmpty(t, a.header.Get("Retry-After"))
			return true
		}, patience, tick, "the circuit does not open")
		require.Equal(t, "OPEN", s.circuit(t, "payments"))
		require.Regexp(t, "^[1-9]", s.metric(t, `gateway_breaker_changes_total{to="OPEN",upstream="payments"}`))

		for _, path := range []string{"/users/me", "/products", "/orders", "/notifications"} {
			require.Equal(t, 200, s.send(t, raw{method: "GET", path: path, header: bearer}).status, path)
		}
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err, "an order is taken all the same")

		mend()
		require.Eventually(t, func() bool { return s.send(t, payments).status == 200 }, patience, tick, "nobody tries it again")
		require.Equal(t, "HALF_OPEN", s.circuit(t, "payments"), "one good answer is not enough")
		require.Equal(t, 200, s.send(t, payments).status)
		require.Equal(t, 200, s.send(t, payments).status)
		require.Equal(t, "CLOSED", s.circuit(t, "payments"))
		require.Regexp(t, "^[1-9]", s.metric(t, `gateway_breaker_changes_total{to="HALF_OPEN",upstream="payments"}`))
		require.Equal(t, "1", s.metric(t, `gateway_breaker_changes_total{to="CLOSED",upstream="payments"}`))
		require.Equal(t, "captured", s.until(t, ada, placed.ID, "order.paid.v1").PaymentState, "and is paid when payments can again")
	})
}

// breakPayments takes the table away from payments, until it is mended.
func (s *system) breakPayments(t *testing.T) (mend func()) {
	t.Helper()
	db := s.database(t, "payments")
	rename := func(from, to string) {
		t.Helper()
		_, err := db.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
		require.NoError(t, err)
	}
	rename("payments", "mislaid")
	return func() {
		t.Helper()
		rename("mislaid", "payments")
	}
}

// circuit is the state of the gateway's breaker for a service.
func (s *system) circuit(t *testing.T, service string) string {
	t.Helper()
	return map[string]string{"0": "CLOSED", "1": "OPEN", "2": "HALF_OPEN"}[s.metric(t, `gateway_breaker_state{upstream="`+service+`"}`)]
}

// metric reads one of the gateway's; "" if there is none.
func (s *system) metric(t *testing.T, name string) string {
	t.Helper()
	a := s.send(t, raw{method: "GET", path: "/metrics"})
	require.Equal(t, 200, a.status)
	value := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(a.body)
	if value == nil {
		return ""
	}
	return string(value[1])
}
