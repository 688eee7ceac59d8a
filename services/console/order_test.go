package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/console"
	"troupe/services/console/internal/store"
)

const declinedOrder = "0198b4c2-7b19-7000-8000-3f1e0c9a4b77"

// declinedRecords are those of an order whose card was declined.
func declinedRecords(t *testing.T) (records []journal.Record) {
	t.Helper()
	text, err := os.ReadFile("testdata/declined-records.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &records))
	return records
}

func keepRecords(t *testing.T, h *servicetest.Harness, records []journal.Record) {
	t.Helper()
	require.NoError(t, h.DB.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		_, err := store.Add(ctx, tx, records)
		return err
	}))
}

const declinedVerdict = "Cancelled after 1.2 s: the card was declined. Stock was released, nothing was charged, and the customer was told by mail."

func TestAnOrderIsShownWithItsVerdict(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		keepRecords(t, h, declinedRecords(t))
		h.Anonymous().Get(t, "/console/api/orders/"+declinedOrder).Problem(t, 401, "token_missing")
		h.As("ann", auth.User).Get(t, "/console/api/orders/"+declinedOrder).Problem(t, 403, "role_required")
		h.As("ada", auth.Admin).Get(t, "/console/api/orders/"+declinedOrder).Want(t, 200,
			"verdict", declinedVerdict, "status", "cancelled", "cause", "card_declined", "complete", true, "lanes.0", "orders")
	})
}

func TestAnOrderThatIsNotKnownIsAskedForAtTheOrdersService(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As("ada", auth.Admin).Get(t, "/console/api/orders/"+declinedOrder).Problem(t, 503, "service_unavailable")
	})
}

func TestAnExportedOrderIsShownElsewhere(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		keepRecords(t, h, declinedRecords(t))
		ada := h.As("ada", auth.Admin)
		exported := ada.Get(t, "/console/api/orders/"+declinedOrder+"/bundle").Want(t, 200, "version", 1, "story.verdict", declinedVerdict)
		require.Contains(t, exported.Header("Content-Disposition"), "order-"+declinedOrder+".json")
		var file map[string]any
		exported.JSON(t, &file)

		_, err := h.DB.Exec(t.Context(), "DELETE FROM entries")
		require.NoError(t, err)
		ada.Post(t, "/console/api/bundle", file).Want(t, 200, "verdict", declinedVerdict, "id", declinedOrder)

		file["version"] = 2
		ada.Post(t, "/console/api/bundle", file).Problem(t, 422, "bundle_version_unknown")
		file["version"], file["records"] = 1, []any{"a word"}
		ada.Post(t, "/console/api/bundle", file).Problem(t, 422, "bundle_invalid")
		file["records"] = []json.RawMessage{ // the slow clock of inventory is set right, into the year 10000
			json.RawMessage(`{"kind":"published","at":"9999-12-31T23:59:59Z","service":"orders","order_id":"o","event":{"id":"e","type":"order.created.v1"}}`),
			json.RawMessage(`{"kind":"handled","at":"9999-12-31T23:00:00Z","service":"inventory","order_id":"o","attempt":{"event_id":"e","type":"order.created.v1","n":1,"outcome":"ok",
				"received_at":"9999-12-31T23:00:00Z","started_at":"9999-12-31T23:00:00Z","finished_at":"9999-12-31T23:30:00Z"}}`),
			json.RawMessage(`{"kind":"published","at":"9999-12-31T23:30:00Z","service":"inventory","order_id":"o","event":{"id":"f","type":"stock.reserved.v1","causation_id":"e"}}`),
		}
		ada.Post(t, "/console/api/bundle", file).Problem(t, 422, "bundle_invalid")
		file["records"] = []any{}
		ada.Post(t, "/console/api/bundle", file).Problem(t, 422, "bundle_empty")
	})
}

// largeOrder returns the records of an order whose payment was tried so often.
func largeOrder(t *testing.T, attempts int) []journal.Record {
	t.Helper()
	records := declinedRecords(t)
	created := records[0].Event
	for n := range attempts {
		at := records[0].At.Add(time.Duration(n+1) * time.Second)
		records = append(records, journal.Record{
			Kind: journal.Handled, At: at, Service: "payments", Instance: "payments-7f9c/1", OrderID: declinedOrder,
			Attempt: &journal.Attempt{EventID: created.ID, Type: created.Type, N: n + 2, Outcome: journal.Retry, Error: "connection refused\nby the database", ReceivedAt: at, StartedAt: at, FinishedAt: at},
		})
	}
	return records
}

func TestEveryOrderThatIsExportedCanBeOpened(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		for _, attempts := range []int{500, 8000} {
			_, err := h.DB.Exec(t.Context(), "DELETE FROM entries")
			require.NoError(t, err)
			keepRecords(t, h, largeOrder(t, attempts))
			ada := h.As("ada", auth.Admin)
			var file map[string]any
			ada.Get(t, "/console/api/orders/"+declinedOrder+"/bundle").Want(t, 200, "story.id", declinedOrder).JSON(t, &file)
			if attempts == 500 {
				require.Greater(t, len(file["records"].([]any)), attempts, "all of them")
			}
			ada.Post(t, "/console/api/bundle", file).Want(t, 200, "id", declinedOrder, "status", "cancelled", "verdict", file["story"].(map[string]any)["verdict"])
		}
	})
}

func TestAnOrderIsShownWithItsLogAndItsSpans(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		records := declinedRecords(t)
		at := records[0].At
		span := journal.Record{Kind: journal.Finished, At: at, Service: "payments", Span: &journal.Span{
			TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", Name: "authorize", Kind: "client", StartedAt: at, EndedAt: at.Add(27 * time.Millisecond),
		}}
		line := journal.Record{Kind: journal.Logged, At: at, Service: "payments", OrderID: declinedOrder, Line: &journal.Line{Level: "WARN", Text: "event failed"}}
		other := journal.Record{Kind: journal.Logged, At: at, Service: "payments", OrderID: "another order", Line: &journal.Line{Level: "WARN", Text: "event failed"}}
		h.Journaled(t, append(records, span, line, other)...)
		ada := h.As("ada", auth.Admin)
		shown := []any{"verdict", declinedVerdict, "spans.0.name", "authorize", "spans.0.took_us", 27000, "lines.0.text", "event failed", "lines.1", nil}
		ada.Get(t, "/console/api/orders/"+declinedOrder).Want(t, 200, shown...)
		ada.Get(t, "/console/api/orders").Want(t, 200, "total", 1, "items.0.id", declinedOrder)

		var file map[string]any
		ada.Get(t, "/console/api/orders/"+declinedOrder+"/bundle").JSON(t, &file)
		ada.Post(t, "/console/api/bundle", file).Want(t, 200, shown...)
	})
}

func TestThereAreNoSampleOrdersInProduction(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Post(t, "/console/api/sample-order", map[string]string{"kind": "paid"}).Problem(t, 403, "no_sample_orders")
		ada.Get(t, "/console/api/actions").Want(t, 200, "items.0.result", "refused", "items.1", nil)
	}, servicetest.Setting("TROUPE_ENV", "production"), servicetest.Setting("CONSOLE_MODE", "full"))
}

func TestAConsoleThatOnlyShowsPlacesNoOrders(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As("ada", auth.Admin).Post(t, "/console/api/sample-order", map[string]string{"kind": "paid"}).Problem(t, 403, "console_readonly")
	}, servicetest.Setting("CONSOLE_MODE", "readonly"))
}

func TestTheOverviewStatesWhatNeedsAttention(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Get(t, "/console/api/overview").Want(t, 200, "attention", []any{}, "topology.nodes.0.name", "gateway", "topology.nodes.0.state", "unknown",
			"tiles.0.id", "orders", "tiles.3.id", "backlog")

		h.Advance(59 * time.Second)
		keepRecords(t, h, []journal.Record{{
			Kind: journal.Published, At: h.Now(), Service: "notifications", OrderID: "o1", Event: &journal.Event{ID: "e1", Type: "notification.failed.v1"},
		}})
		waiting := h.Now().Add(-6 * time.Minute).UnixMicro()
		_, err := h.DB.Exec(t.Context(), fmt.Sprintf(`INSERT INTO orders (id, user_id, status, cause, verdict, amount, currency, attempts, failures, started_at, updated_at)
			VALUES ('o1', 'u1', 'pending', '', '', 1299, 'EUR', 1, 0, %d, %d)`, waiting, waiting))
		require.NoError(t, err)
		ada.Get(t, "/console/api/overview").Want(t, 200, "orders", 1,
			"attention.0.kind", "stuck_orders", "attention.0.title", "1 order has waited for longer than 5 minutes",
			"attention.1.kind", "deliveries", "attention.1.title", "1 message to customers failed in the last 15 minutes")
	})
}

func TestTheTailIsFiltered(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		keepRecords(t, h, declinedRecords(t))
		var page struct{ Items []struct{ Type string } }
		h.As("ada", auth.Admin).Get(t, "/console/api/events?type=order.cancelled.v1&service=inventory&outcome=ok&order="+declinedOrder).JSON(t, &page)
		require.Len(t, page.Items, 1)
		require.Equal(t, "order.cancelled.v1", page.Items[0].Type)
	})
}
