package story_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenFolder is where the pages' tests find what the API returns.
const goldenFolder = "../../ui/testdata"

func TestTheGoldenFilesAreWhatTheAPIReturns(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*scenario{
		"order-paid": paidOrder(), "order-declined": declinedOrder(), "order-out-of-stock": outOfStockOrder(), "order-retrying": retryingOrder(),
		"order-dead": deadOrder(), "order-cancelled-after-paid": cancelledAfterPaid(), "order-500": longOrder(),
	} {
		s.addSpans()
		o := story.Build(s.records, s.now)
		o.Mails = s.sentMails()
		checkGolden(t, name, o)
		if name == "order-500" {
			require.Len(t, o.Steps, 500)
		}
	}
	checkGolden(t, "orders", goldenOrders())
	checkGolden(t, "events", goldenEntries())
	checkGolden(t, "overview", goldenOverview())
}

func checkGolden(t *testing.T, name string, value any) {
	t.Helper()
	marshal := func(v any) ([]byte, error) { return json.MarshalIndent(v, "", " ") }
	if name == "order-500" {
		marshal = json.Marshal // as it is long
	}
	checkFile(t, filepath.Join(goldenFolder, name+".json"), value, marshal)
}

func checkFile(t *testing.T, file string, value any, marshal func(any) ([]byte, error)) {
	t.Helper()
	got, err := marshal(value)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test with -update")
	require.Equal(t, string(want), string(got)+"\n", "run go test with -update")
}

// addSpans adds the spans of the first trace: the request, and a span for each attempt. What
// failed is in the log, too.
func (s *scenario) addSpans() {
	traceID := strings.Split(trace, "-")[1]
	root := "00f067aa0ba902b7"
	s.records = append(s.records, journal.Record{Kind: journal.Finished, Service: "gateway", OrderID: orderID, At: began, Span: &journal.Span{
		TraceID: traceID, SpanID: root, Name: "POST /orders", Kind: "server", StartedAt: began.Add(-4 * time.Millisecond), EndedAt: began.Add(3 * time.Millisecond),
		Attributes: map[string]string{"http.request.method": "POST", "http.response.status_code": "201", "http.route": "/orders"},
	}})
	for i, r := range slices.Clone(s.records) {
		if r.Attempt == nil || i > 40 {
			continue
		}
		if r.Attempt.Error != "" {
			s.records = append(s.records, logged(r.Service, r.At, journal.Line{
				Level: "WARN", Text: "event failed and will be retried", EventID: r.Attempt.EventID, Traceparent: trace,
				Details: map[string]string{"attempts": fmt.Sprint(r.Attempt.N), "error": r.Attempt.Error, "type": r.Attempt.Type},
			}))
		}
		s.records = append(s.records, journal.Record{Kind: journal.Finished, Service: r.Service, OrderID: orderID, At: r.At, Span: &journal.Span{
			TraceID: traceID, SpanID: fmt.Sprintf("%016x", i+1), ParentID: root, Name: "process " + r.Attempt.Type, Kind: "consumer",
			StartedAt: r.Attempt.StartedAt, EndedAt: r.Attempt.FinishedAt, Error: r.Attempt.Error,
			Attributes: map[string]string{"messaging.message.id": r.Attempt.EventID, "messaging.operation.type": "process"},
		}})
	}
}

// logged returns the record of a line of a service's log.
func logged(service string, at time.Time, l journal.Line) journal.Record {
	return journal.Record{Kind: journal.Logged, At: at, Service: service, Instance: service + "-7f9c/1", OrderID: orderID, Line: &l}
}

// sentMails returns the mails that notifications has sent in the scenario.
func (s *scenario) sentMails() []view.Mail {
	mails := []view.Mail{}
	for _, r := range s.records {
		if r.Event == nil || r.Event.Type != "notification.sent.v1" {
			continue
		}
		var data struct{ Kind string }
		if json.Unmarshal(r.Event.Data, &data) != nil {
			continue
		}
		mails = append(mails, view.Mail{
			ID: "d-" + data.Kind, OrderID: orderID, Channel: "email", Kind: data.Kind, State: "sent",
			Subject: "Your order (" + data.Kind + ")", Text: "Hello,\n\nthis is about your order.\n", At: r.At,
		})
	}
	return mails
}

// goldenOrders returns the orders of all scenarios as a list, the newest first.
func goldenOrders() view.Orders {
	list := view.Orders{Cursor: "bmV4dA"}
	for i, s := range []*scenario{
		paidOrder(), declinedOrder(), outOfStockOrder(), retryingOrder(), deadOrder(), cancelledAfterPaid(), cancelledByCustomer(), retriedOrder(),
		providerTimesOut(), slowConsumer(), duplicateDelivery(), serviceDown(), stuckOrder(), overdueOrder(), captureFails(), compensationFails(), deliveredOrder(),
	} {
		item := story.Summary(s.records, s.now)
		item.ID = fmt.Sprintf("0198b4c2-7b19-7000-8000-%012x", i+1)
		item.StartedAt = item.StartedAt.Add(-time.Duration(i) * time.Minute)
		item.UpdatedAt = item.UpdatedAt.Add(-time.Duration(i) * time.Minute)
		list.Items = append(list.Items, item)
	}
	list.Total = len(list.Items)
	return list
}

// goldenEntries returns the tail of the events of an order that was retried.
func goldenEntries() view.Entries {
	var entries view.Entries
	for i, r := range retriedOrder().records {
		e := view.Entry{Seq: int64(i + 1), At: r.At, Kind: string(r.Kind), Service: r.Service, OrderID: r.OrderID}
		if r.Event != nil {
			e.Type, e.EventID, e.Data = r.Event.Type, r.Event.ID, r.Event.Data
		} else {
			e.Type, e.EventID, e.Outcome, e.Attempt, e.Error = r.Attempt.Type, r.Attempt.EventID, string(r.Attempt.Outcome), r.Attempt.N, r.Attempt.Error
		}
		entries.Items = append(entries.Items, e)
	}
	return entries
}

// goldenOverview returns an overview on which everything that there can be is to be seen.
func goldenOverview() view.Overview {
	o := view.Overview{Orders: 1284, Faults: []view.Fault{}, Attention: []view.Attention{
		{Kind: "dead_letters", Title: "3 events of payments are dead letters", Count: 3, Since: began, Link: "/dead-letters"},
		{Kind: "stuck_orders", Title: "2 orders have waited for longer than 5 min", Count: 2, Since: began.Add(-9 * time.Minute), Link: "/orders?cause=stuck"},
		{Kind: "breaker", Title: "The circuit of the gateway to payments is open", Count: 1, Since: began, Link: "/services"},
		{Kind: "outbox", Title: "41 events of inventory wait to be published", Count: 41, Since: began, Link: "/services"},
		{Kind: "deliveries", Title: "5 messages to customers failed", Count: 5, Since: began, Link: "/mails"},
		{Kind: "service", Title: "payments does not answer", Count: 1, Since: began, Link: "/services"},
	}}
	states := map[string]string{"payments": "down", "inventory": "impaired"}
	for i, name := range []string{"gateway", "users", "orders", "inventory", "payments", "notifications", "bus"} {
		n := view.Node{Name: name, State: "up", Rate: float64(i) * 1.5}
		if state := states[name]; state != "" {
			n.State, n.Reason, n.Queue = state, "it does not answer", 12
		}
		o.Topology.Nodes = append(o.Topology.Nodes, n)
		if name != "gateway" && name != "bus" {
			o.Topology.Edges = append(o.Topology.Edges, view.Edge{From: "gateway", To: name, Kind: "http", Rate: float64(i), State: "ok"},
				view.Edge{From: name, To: "bus", Kind: "event", Rate: float64(i), State: "ok"}, view.Edge{From: "bus", To: name, Kind: "event", Rate: float64(i), State: "ok"})
		}
	}
	o.Topology.Nodes[0].Breakers = []string{"payments: open"}
	for i, title := range []string{"Orders", "Failed attempts", "Time to a decision", "Backlog"} {
		series := make([]float64, 60)
		for j := range series {
			series[j] = float64((i + 1) * (j * 7 % 11))
		}
		id := []string{"orders", "failures", "decision", "backlog"}[i]
		o.Tiles = append(o.Tiles, view.Tile{ID: id, Title: title, Value: series[59], Unit: []string{"/min", "/min", "ms", "events"}[i], Series: series})
	}
	return o
}

// The records of an order, as they are kept, are a golden file too: tests of the API use it.
func TestTheRecordsOfAnOrderAreAGoldenFile(t *testing.T) {
	t.Parallel()
	checkFile(t, "../../testdata/declined-records.json", declinedOrder().records, json.Marshal)
}
