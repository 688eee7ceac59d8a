package test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
)

// startApart starts a process for each service, of which the gateway has no broker, and no
// collector of spans.
func startApart(t *testing.T) *system {
	t.Helper()
	binary, err := program()
	require.NoError(t, err)
	return startSystem(t, cluster.Config{Kind: cluster.ProcessPerService, Program: binary, Accounts: accounts(t)})
}

// tracedServices returns the services that have a span in the newest trace that began with
// an order.
func (s *system) tracedServices(t *testing.T) (names []string) {
	t.Helper()
	var traces struct {
		Items []struct {
			TraceID       string `json:"trace_id"`
			Name, Service string
		}
	}
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/traces?q=POST+%2Forders", &traces))
	for _, found := range traces.Items {
		var trace struct{ Spans []struct{ Service string } }
		require.NoError(t, s.admin.Get(t.Context(), "/console/api/traces/"+found.TraceID, &trace))
		for _, span := range trace.Spans {
			if !slices.Contains(names, span.Service) {
				names = append(names, span.Service)
			}
		}
		if len(names) > 0 {
			break
		}
	}
	slices.Sort(names)
	return names
}

// Without any setting the console shows an order's trace through all processes, although the
// gateway has no broker to send its part with.
func TestTheSpansOfEveryProcessReachTheConsole(t *testing.T) {
	t.Parallel()
	s := startApart(t)
	s.addProduct(t, "lantern", 1299, 100)
	ada := s.newCustomer(t)
	var names []string
	require.Eventually(t, func() bool { // only some traces are recorded, and what comes before the console listens is lost
		o, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, o.ID, "order.paid.v1")
		for range 10 {
			names = s.tracedServices(t)
			if slices.Equal(names, []string{"gateway", "inventory", "notifications", "orders", "payments"}) {
				return true
			}
			<-time.After(50 * pollInterval)
		}
		return false
	}, 2*timeout, time.Second, "only of %v", &names)
	var services struct {
		Items []struct {
			Name      string
			Instances []struct{ Name string }
		}
	}
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/services", &services))
	require.Equal(t, "gateway", services.Items[0].Name)
	require.NotEmpty(t, services.Items[0].Instances)
}

// A circuit that opens in the gateway's own process is shown with its history.
func TestACircuitThatOpensInAnotherProcessIsShown(t *testing.T) {
	t.Parallel()
	s := startApart(t)
	force := map[string]any{"state": "forced_open", "reason": "repair"}
	require.NoError(t, s.admin.Put(t.Context(), "/admin/breakers/inventory", force, nil))
	var overview struct {
		Attention []struct{ Kind, Title string }
	}
	require.Eventually(t, func() bool {
		require.NoError(t, s.admin.Get(t.Context(), "/console/api/overview", &overview))
		return slices.ContainsFunc(overview.Attention, func(a struct{ Kind, Title string }) bool {
			return a.Kind == "breaker" && a.Title == "The circuit of gateway to inventory is open"
		})
	}, timeout, 50*pollInterval)
}
