package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
)

// labFault is a fault as the console lists it.
type labFault struct {
	ID, Title, Expect, Problem string
	Active                     bool
	OrderID                    string     `json:"order_id"`
	EndsAt                     *time.Time `json:"ends_at"`
}

// labFaults are the faults of the lab, each with the status of the order that shows it and
// what the console shows about it. A fault that is ended as soon as the order has ended lasts
// long enough for a slow machine; the others end by themselves.
var labFaults = []struct {
	id, status, verdict string
	seconds             int
	end                 bool
	shut                bool // the gateway serves no products while it is active
}{
	{id: "card_declined", status: "cancelled", verdict: `^Cancelled after .*: the card was declined\. .*nothing was charged`},
	{id: "out_of_stock", status: "cancelled", verdict: `^Cancelled after .* was out of stock `},
	{id: "provider_times_out", status: "paid", verdict: `^Paid after `},
	{id: "provider_down", status: "paid", verdict: `^Paid after .*: the payment provider took .* to answer order\.created`, seconds: 10},
	{id: "capture_fails", status: "cancelled", verdict: `^Cancelled after .*: the money could not be collected `},
	{id: "poison_event", status: "paid", verdict: `^Paid after .*Notifications gave up order\.paid after 1 attempt .*replay its dead letter`},
	{id: "duplicate_delivery", status: "paid", verdict: `^Paid after .*events? came twice and took effect once`, seconds: 120, end: true},
	{id: "lost_acknowledgement", status: "paid", verdict: `^Paid after .*events? came twice and took effect once`, seconds: 120, end: true},
	{id: "slow_consumer", status: "paid", verdict: `^Paid after .*: order\.[a-z]+ reached payments only after`, seconds: 120, end: true},
	{id: "broker_away", status: "paid", verdict: `^Paid after .*: order\.created reached .*only after`, seconds: 10},
	{id: "service_killed", status: "paid", verdict: `^Paid after .*: order\.created reached payments only after`, seconds: 10},
	{id: "service_down", status: "paid", verdict: `^Paid after `, seconds: 120, end: true, shut: true},
	{id: "open_circuit", status: "paid", verdict: `^Paid after `, seconds: 120, end: true, shut: true},
	{id: "database_away", status: "paid", verdict: `^Paid after .*: order\.created reached payments only after`, seconds: 10},
}

// Each fault of the lab is caused, shown by an order, and over after a while, and the system
// is whole again.
func TestEachFaultOfTheLab(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.InTest})
	s.causeEachFault(t)
}

// The lab causes each fault in the processes of the services too, by what each of them offers to
// an admin in development.
func TestTheLabCausesFaultsInSeparateProcesses(t *testing.T) {
	t.Parallel()
	startApart(t).causeEachFault(t)
}

// causeEachFault causes the faults one after the other through the API of the console. After each
// an order is paid as ever.
func (s *system) causeEachFault(t *testing.T) {
	t.Helper()
	databases := openDatabases(t, s.Cluster)
	var all struct{ Items []labFault }
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/lab", &all))
	require.Len(t, all.Items, len(labFaults))
	for i, fault := range labFaults {
		require.Equal(t, fault.id, all.Items[i].ID)
		require.NotEmpty(t, all.Items[i].Expect)
		t.Run(fault.id, func(t *testing.T) {
			var run labFault
			require.NoError(t, s.admin.Post(t.Context(), "/console/api/lab/"+fault.id+"?seconds="+strconv.Itoa(max(1, fault.seconds)), nil, &run))
			require.NotEmpty(t, run.OrderID)
			require.Empty(t, run.Problem)
			s.awaitLabVerdict(t, run.OrderID, fault.status, fault.verdict)
			if fault.shut {
				require.Error(t, s.admin.Get(t.Context(), "/products?limit=1", nil))
			}
			if fault.end {
				require.NoError(t, s.admin.Delete(t.Context(), "/console/api/lab/"+fault.id))
			}
			s.awaitNoFault(t)
			s.awaitShop(t)
			s.requireSampleOrderIsPaid(t)
		})
	}
	s.requirePages(t)
	s.discardPoison(t)
	awaitQuiet(t, databases)
}

// requireSampleOrderIsPaid places an order that no fault disturbs.
func (s *system) requireSampleOrderIsPaid(t *testing.T) {
	t.Helper()
	var placed struct {
		OrderID string `json:"order_id"`
	}
	require.NoError(t, s.admin.Post(t.Context(), "/console/api/sample-order", jsonText(`{"kind":"paid"}`), &placed))
	s.awaitLabVerdict(t, placed.OrderID, "paid", `^Paid after `)
}

// awaitLabVerdict waits until the console shows how the order of a fault has ended.
func (s *system) awaitLabVerdict(t *testing.T, orderID, status, verdict string) {
	t.Helper()
	var order struct{ Status, Verdict string }
	require.Eventually(t, func() bool {
		err := s.admin.Get(t.Context(), "/console/api/orders/"+orderID, &order)
		return err == nil && order.Status == status && regexp.MustCompile(verdict).MatchString(order.Verdict)
	}, 2*timeout, 20*pollInterval, "not %s; the last verdict was %v", verdict, &order)
}

// awaitShop waits until the gateway serves the products again: a circuit that has opened
// during the fault before needs a while.
func (s *system) awaitShop(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return s.admin.Get(t.Context(), "/products?limit=1", nil) == nil
	}, timeout, 20*pollInterval)
}

// awaitNoFault waits until no fault is active, neither as the lab lists them nor in any service.
func (s *system) awaitNoFault(t *testing.T) {
	t.Helper()
	awaitNoneActive(t, s.admin, "/console/api/lab")
	for _, service := range []string{"inventory", "notifications", "orders", "payments"} {
		awaitNoneActive(t, s.admin.WithBase(s.URL(service)), "/lab/faults")
	}
}

// awaitNoneActive waits until a list of faults has none that is active.
func awaitNoneActive(t *testing.T, admin *client.Client, path string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var all struct{ Items []labFault }
		require.NoError(t, admin.Get(t.Context(), path, &all))
		require.NotEmpty(t, all.Items)
		return !slices.ContainsFunc(all.Items, func(f labFault) bool { return f.Active })
	}, timeout, 20*pollInterval, "%s%s", admin.Base, path)
}

// requirePages requires that the console's pages about services, traces and what was sent
// show what has happened.
func (s *system) requirePages(t *testing.T) {
	t.Helper()
	var services struct {
		Items []struct {
			Name, State string
			Probes      []struct{ OK bool }
			Consumes    []struct{ Type string }
			Breakers    []struct{ State string } `json:"breaker_states"`
			Settings    map[string]string
		}
	}
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/services", &services))
	require.Len(t, services.Items, 6)
	for _, service := range services.Items {
		require.Equal(t, "up", service.State, service.Name)
		require.True(t, service.Probes[0].OK && service.Probes[1].OK, service.Name)
		require.NotEmpty(t, service.Settings["LOG_LEVEL"], service.Name)
		require.Equal(t, service.Name != "gateway", len(service.Consumes) > 0, service.Name)
		require.NotContains(t, fmt.Sprint(service.Settings), cluster.AdminPassword)
	}
	require.NotEmpty(t, services.Items[0].Breakers)
	var mails struct {
		Items []struct{ ID, Channel, Subject string }
	}
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/mails?channel=email", &mails))
	require.NotEmpty(t, mails.Items)
	var mail struct{ ID, Subject, Text, Source string }
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/mails/"+mails.Items[0].ID, &mail))
	require.Equal(t, mails.Items[0].ID, mail.ID)
	require.Contains(t, mail.Source, mail.ID)
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/traces", &struct{ Items []json.RawMessage }{}))
}

// deadLetters is the list of groups of the console.
type deadLetters struct {
	Items []struct {
		ID, Consumer, Type, Cause, State string
		Count, Returned                  int
	}
}

// discardPoison replays the dead letter of the lab, sees it come back, and discards it.
func (s *system) discardPoison(t *testing.T) {
	t.Helper()
	var groups deadLetters
	list := func() bool {
		return s.admin.Get(t.Context(), "/console/api/dead-letters", &groups) == nil && len(groups.Items) == 1 && groups.Items[0].State == "dead"
	}
	require.Eventually(t, list, timeout, 20*pollInterval)
	poison := groups.Items[0]
	require.Equal(t, "notifications", poison.Consumer)
	require.Equal(t, "order.paid.v1", poison.Type)
	var done struct{ Count int }
	change := func(action, body string) int {
		require.NoError(t, s.admin.Post(t.Context(), "/console/api/dead-letters/"+action, jsonText(body), &done))
		return done.Count
	}
	require.Equal(t, 1, change("replay", `{"group":"`+poison.ID+`","dry_run":true}`))
	require.Equal(t, 1, change("replay", `{"group":"`+poison.ID+`"}`))
	require.Eventually(t, func() bool { return list() && groups.Items[0].Returned == 1 }, timeout, 20*pollInterval)
	require.Equal(t, 1, change("discard", `{"group":"`+groups.Items[0].ID+`","reason":"the lab made it"}`))
	require.NoError(t, s.admin.Get(t.Context(), "/console/api/dead-letters", &groups))
	require.Empty(t, groups.Items)
}

// jsonText is a body that is sent as it is.
type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }
