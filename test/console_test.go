package test

import (
	"slices"
	"strings"
	"testing"
	"time"

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
		s.addProduct(t, "lantern", 1299, 100)
		ada := s.newCustomer(t)
		// What a process records before it has reached the broker, or before the console's queue
		// exists, is lost: so an order of which something is missing is followed by another one.
		var missing []string
		require.Eventually(t, func() bool {
			placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
			require.NoError(t, err)
			s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
			for range 100 {
				if missing = notRecorded(s.recorded(t, placed.ID)); len(missing) == 0 {
					return true
				}
				<-time.After(10 * pollInterval)
			}
			return false
		}, 3*timeout, pollInterval, "the console has no entry for %v", &missing)
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

// What a service logs about an order is on the order's page, whether the service runs in the
// console's process or not.
func TestTheConsoleHasWhatServicesLogAboutAnOrder(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		var story client.Story
		require.Eventually(t, func() bool { // what a process records before it has reached the broker is lost
			var run labFault
			if s.admin.Post(t.Context(), "/console/api/lab/poison_event", nil, &run) != nil {
				return false
			}
			for range 100 {
				var err error
				if story, err = s.admin.Story(t.Context(), run.OrderID); err == nil && len(story.Lines) > 0 {
					return true
				}
				<-time.After(10 * pollInterval)
			}
			return false
		}, 3*timeout, pollInterval, "nothing was logged about %v", &story)
		line := story.Lines[0]
		require.Equal(t, []string{"notifications", "ERROR"}, []string{line.Service, line.Level})
		require.Contains(t, line.Text, "event is a dead letter")
		require.Equal(t, "order.paid.v1", line.Details["type"])
	})
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
