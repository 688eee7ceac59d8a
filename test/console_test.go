package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/events"
	"troupe/test/cluster"
)

// recordedEntry is an entry of the console's list of events.
type recordedEntry struct {
	Kind, Service, Type, Outcome string
}

// recorded returns what the console knows of an order.
func (s *system) recorded(t *testing.T, orderID string) []recordedEntry {
	t.Helper()
	var list struct{ Items []recordedEntry }
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/events?limit=500&order="+orderID, &list))
	return list.Items
}

func TestTheConsoleHasEveryEventOfAnOrderAndEveryAttemptToHandleIt(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		// A record that is made while the console's queue does not exist yet is lost.
		require.Eventually(t, func() bool {
			o, err := ada.PlaceOrder(t.Context(), "pm_card_chargeDeclined", client.Item{SKU: "lantern", Quantity: 1})
			require.NoError(t, err)
			s.awaitEvent(t, ada, o.ID, "order.cancelled.v1")
			return len(s.recorded(t, o.ID)) > 0
		}, timeout, 20*pollInterval)

		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		var missing []string
		require.Eventually(t, func() bool {
			missing = notRecorded(s.recorded(t, placed.ID))
			return len(missing) == 0
		}, timeout, 20*pollInterval, "the console has no entry for %v", &missing)
	})
}

// notRecorded returns what is missing of an order that was paid: its events, each with the
// attempts of all its consumers.
func notRecorded(entries []recordedEntry) (missing []string) {
	for _, eventType := range []string{
		"order.created.v1", "stock.reserved.v1", "payment.authorized.v1", "order.confirmed.v1", "stock.committed.v1",
		"payment.captured.v1", "order.paid.v1", "notification.sent.v1",
	} {
		if !slices.ContainsFunc(entries, func(e recordedEntry) bool { return e.Kind == "published" && e.Type == eventType }) {
			missing = append(missing, eventType)
		}
		for _, consumer := range events.Topology[eventType] {
			if !slices.Contains(entries, recordedEntry{"handled", consumer, eventType, "ok"}) {
				missing = append(missing, eventType+" at "+consumer)
			}
		}
	}
	return missing
}

func TestWithoutTheConsoleOrdersGoOn(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.Replicated, Replicas: 1})
	require.NoError(t, s.Stop(slices.DeleteFunc(s.Nodes(), func(name string) bool { return !strings.HasPrefix(name, "console") })...))
	s.addProduct(t, "lantern", 1299, 10)
	ada := s.newCustomer(t)
	for range 5 {
		o, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, o.ID, "order.paid.v1")
	}
	require.Equal(t, 200, s.send(t, rawRequest{method: "GET", path: "/readyz"}).status, "the gateway does not need it")
	require.GreaterOrEqual(t, s.send(t, rawRequest{method: "GET", path: "/console/"}).status, 502, "the pages are away")
}
