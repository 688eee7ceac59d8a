package loadgen

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// api answers as the orders service does, with two orders on a page.
func api(orders []client.Order) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var answer any = map[string]any{"items": orders[:min(2, len(orders))], "next_cursor": "more"}
		switch {
		case strings.HasSuffix(r.URL.Path, "/timeline"):
			answer = map[string]any{"items": []client.TimelineEntry{{What: "order.paid.v1", At: time.UnixMilli(1250)}}}
		case r.URL.Query().Get("cursor") != "":
			answer = map[string]any{"items": orders[min(2, len(orders)):]}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func TestEveryAcceptedOrderIsAccountedFor(t *testing.T) {
	t.Parallel()
	placed := time.UnixMilli(1000)
	shop := shopAt(t, 1, api([]client.Order{
		{ID: "a", Status: "confirmed", PaymentState: "captured", CreatedAt: placed},
		{ID: "b", Status: "cancelled", CancelReason: "deadline"},
		{ID: "c", Status: "shipped", PaymentState: "captured", CreatedAt: placed},
	}))
	shop.customers[0].orders = []string{"a", "b", "c"}
	outcome, err := shop.Check(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, outcome.Paid)
	require.Equal(t, map[string]int{"deadline": 1}, outcome.Cancelled)
	require.InDelta(t, 250, outcome.ToPaid.P50, 1, "milliseconds, from the timelines")
	require.NoError(t, outcome.Holds())
}

func TestALostOrderFailsTheCheck(t *testing.T) {
	t.Parallel()
	shop := shopAt(t, 1, api([]client.Order{{ID: "a", Status: "confirmed", PaymentState: "captured"}}))
	shop.customers[0].orders = []string{"a", "lost"}
	outcome, err := shop.Check(t.Context(), 0)
	require.NoError(t, err)
	require.ErrorContains(t, outcome.Holds(), "1 accepted orders are not in their customer's list, for example lost")
}

func TestACancelledOrderNeedsAReason(t *testing.T) {
	t.Parallel()
	shop := shopAt(t, 1, api([]client.Order{{ID: "a", Status: "cancelled"}}))
	shop.customers[0].orders = []string{"a"}
	outcome, err := shop.Check(t.Context(), 0)
	require.NoError(t, err)
	require.ErrorContains(t, outcome.Holds(), "cancelled without a reason, for example a")
}
