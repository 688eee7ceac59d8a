package test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/patterns/event"
)

// An event that a service cannot read is kept as a dead letter, which the operator
// lists and replays, while other events are handled as ever.
func TestADeadLetterIsListedAndReplayed(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		poison := s.publish(t, "inventory", event.Envelope{
			ID: "01900000-0000-7000-8000-00000000dead", Source: "inventory", Type: "stock.reserved.v1", Time: time.Now(),
			Data: json.RawMessage(`{"order_id":42}`),
		})
		require.Eventually(t, func() bool {
			return strings.Contains(s.troupe(t, "dead-letters", "list"), poison)
		}, timeout, 50*pollInterval)
		require.Contains(t, s.troupe(t, "dead-letters", "show", "orders", poison), `{"order_id":42}`)
		s.troupe(t, "dead-letters", "replay", "orders", poison)
		require.Eventually(t, func() bool {
			return strings.Contains(s.troupe(t, "dead-letters", "show", "orders", poison), "dead")
		}, timeout, 50*pollInterval, "it fails again when replayed")

		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
	})
}

// publish adds an event to a service's outbox, as a bug there might, and returns its id.
func (s *system) publish(t *testing.T, service string, e event.Envelope) string {
	t.Helper()
	body, err := event.Encode(e)
	require.NoError(t, err)
	_, err = s.database(t, service).Exec(t.Context(), "INSERT INTO outbox (event_id, type, body, created_at) VALUES ($1, $2, $3, $4)",
		e.ID, e.Type, string(body), time.Now().UnixMicro())
	require.NoError(t, err)
	return e.ID
}
