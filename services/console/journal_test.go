package console_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/services/console"
)

func TestRecordedOrdersAndEventsAreListed(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Journaled(t, declinedRecords(t)...)
		ada := h.As("ada", auth.Admin)
		ada.Get(t, "/console/api/orders").Want(t, 200, "total", 1, "items.0.id", declinedOrder, "items.0.status", "cancelled",
			"items.0.cause", "card_declined", "items.0.verdict", declinedVerdict)
		ada.Get(t, "/console/api/orders?cause=out_of_stock").Want(t, 200, "total", 0)
		wantItems(t, ada.Get(t, "/console/api/orders?q="+declinedOrder[:13]), 1)
		wantItems(t, ada.Get(t, "/console/api/orders?q=%25"), 0)
		ada.Get(t, "/console/api/events?type=order.created.v1&service=orders").Want(t, 200, "items.0.order_id", declinedOrder, "items.0.kind", "published")
		ada.Get(t, "/console/api/events?order="+declinedOrder+"&limit=500").Want(t, 200, "items.0.seq", 1)
		ada.Get(t, "/console/api/events?after=1&limit=1").Want(t, 200, "items.0.seq", 2)
	})
}

// wantItems fails the test unless the response is a list of so many.
func wantItems(t *testing.T, r *servicetest.Response, n int) {
	t.Helper()
	var list struct{ Items []any }
	r.Want(t, 200).JSON(t, &list)
	require.Len(t, list.Items, n)
}

// created returns the record of an order that was placed.
func created(id string, at time.Time) journal.Record {
	return journal.Record{
		Kind: journal.Published, At: at, Service: "orders", Instance: "host:1", OrderID: id,
		Event: &journal.Event{ID: "created " + id, Type: "order.created.v1", Data: []byte(`{"order_id":"` + id + `","user_id":"u1","total":{"amount":1299,"currency":"EUR"}}`)},
	}
}

func TestAListOfOrdersHasPages(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		for n := range 7 {
			h.Journaled(t, created(fmt.Sprint("order-", n), h.Now().Add(time.Duration(n/2)*time.Second)))
		}
		ada := h.As("ada", auth.Admin)
		var seen []string
		for cursor := ""; ; {
			var page struct {
				Items  []struct{ ID string }
				Cursor string
			}
			ada.Get(t, "/console/api/orders?limit=3&cursor="+cursor).Want(t, 200, "total", 7).JSON(t, &page)
			for _, o := range page.Items {
				seen = append(seen, o.ID)
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		require.Equal(t, []string{"order-6", "order-5", "order-4", "order-3", "order-2", "order-1", "order-0"}, seen)
		ada.Get(t, "/console/api/orders?cursor=nonsense").Problem(t, 422, "cursor_invalid")
	})
}

func TestOldAndSurplusOrdersAreDeleted(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		for n := range 5 {
			h.Journaled(t, created(fmt.Sprint("order-", n), h.Now()))
			h.Advance(10 * time.Minute)
		}
		h.Step(t, "retention of the console")
		ada := h.As("ada", auth.Admin) // with a token that has not expired
		ada.Get(t, "/console/api/orders").Want(t, 200, "total", 3, "items.2.id", "order-2")
		wantItems(t, ada.Get(t, "/console/api/events"), 3)

		h.Advance(35 * time.Minute) // order-2 is older than an hour now
		h.Step(t, "retention of the console")
		ada = h.As("bea", auth.Admin)
		ada.Get(t, "/console/api/orders").Want(t, 200, "total", 2)
		h.Advance(time.Hour)
		h.Step(t, "retention of the console")
		ada = h.As("cleo", auth.Admin)
		wantItems(t, ada.Get(t, "/console/api/events"), 0)
	}, servicetest.Setting("CONSOLE_KEEP_ORDERS", "3"), servicetest.Setting("CONSOLE_KEEP", "1h"))
}
