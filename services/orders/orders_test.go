package orders_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/orders"
)

func eur(cents int64) events.Money { return events.Money{Amount: cents, Currency: "EUR"} }

// tea and cup are on offer in every test.
var (
	tea = events.ProductChanged{SKU: "tea", Name: "Tea", Price: eur(350), Active: true, Version: 1}
	cup = events.ProductChanged{SKU: "cup", Name: "Cup", Price: eur(1200), Active: true, Version: 1}
)

// run runs a test in which tea and cup are on offer and ada is a customer.
func run(t *testing.T, test func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client), o ...servicetest.Option) {
	t.Helper()
	servicetest.Run(t, orders.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, tea, cup)
		test(t, h, h.As("ada", auth.User))
	}, o...)
}

const twoTeas = `{"items":[{"sku":"tea","quantity":2}],"payment_method":"pm_card_visa"}`

// orderTeas places an order of two teas, which is 7.00 EUR.
func orderTeas(t *testing.T, h *servicetest.Harness, c *servicetest.Client) string {
	t.Helper()
	id := c.Post(t, "/orders", twoTeas).Want(t, 201, "status", "pending").Field(t, "id")
	published := servicetest.Published[events.OrderCreated](t, h)
	h.Publishes(t, published[len(published)-1])
	return id
}

// The events that other services publish about an order.
func stockReserved(id string) event.Payload  { return events.StockReserved{OrderID: id} }
func stockCommitted(id string) event.Payload { return events.StockCommitted{OrderID: id} }
func stockReleased(id string) event.Payload {
	return events.StockReleased{OrderID: id, Reason: "cancelled"}
}

func authorized(id string) event.Payload {
	return events.PaymentAuthorized{OrderID: id, Amount: eur(700)}
}

func captured(id string) event.Payload { return events.PaymentCaptured{OrderID: id, Amount: eur(700)} }

func voided(id string) event.Payload { return events.PaymentVoided{OrderID: id, Amount: eur(700)} }

func refunded(id string) event.Payload {
	return events.PaymentRefunded{OrderID: id, Amount: eur(700), Reason: "admin"}
}

func declined(id string) event.Payload {
	return events.PaymentDeclined{OrderID: id, Amount: eur(700), Reason: "insufficient_funds"}
}

func captureFailed(id string) event.Payload {
	return events.PaymentCaptureFailed{OrderID: id, Amount: eur(700), Reason: "expired"}
}

func stockRejected(id string) event.Payload {
	return events.StockRejected{OrderID: id, Short: []events.Shortage{{SKU: "tea", Wanted: 2, Available: 1}}}
}

// The events that orders publishes about an order of two teas by ada.
func confirmed(id string) event.Payload {
	return events.OrderConfirmed{OrderID: id, UserID: "ada", Total: eur(700)}
}

func paid(id string) event.Payload {
	return events.OrderPaid{OrderID: id, UserID: "ada", Amount: eur(700)}
}

func cancelled(id, reason string) event.Payload {
	return events.OrderCancelled{OrderID: id, UserID: "ada", Total: eur(700), Reason: reason}
}

func TestAnOrderFromBeginningToEnd(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		placed := ada.Post(t, "/orders", `{"items":[{"sku":"tea","quantity":2},{"sku":"cup","quantity":1}],
			"payment_method":"pm_card_visa","shipping_address":{"name":"Ada Lovelace","line1":"12 St James's Square",
			"city":"London","postal_code":"SW1Y 4JH","country":"GB"}}`).
			Want(t, 201, "status", "pending", "payment_state", "none", "stock_state", "none", "user_id", "ada",
				"items.0.name", "Tea", "items.0.unit_price.amount", 350, "items.0.line_total.amount", 700,
				"items.1.line_total.amount", 1200, "total.amount", 1900, "total.currency", "EUR",
				"shipping_address.city", "London", "deadline_at", "2026-01-01T12:02:00.000000Z", "cancel_reason", nil)
		id := placed.Field(t, "id")
		require.Equal(t, "/orders/"+id, placed.Header("Location"))
		h.Publishes(t, events.OrderCreated{
			OrderID: id, UserID: "ada", Total: eur(1900), PaymentMethod: "pm_card_visa",
			Lines: []events.OrderLine{
				{SKU: "tea", Name: "Tea", Quantity: 2, UnitPrice: eur(350)},
				{SKU: "cup", Name: "Cup", Quantity: 1, UnitPrice: eur(1200)},
			},
		})

		h.Consumes(t, stockReserved(id))
		h.PublishesNothing(t)
		h.Consumes(t, authorized(id))
		h.Publishes(t, events.OrderConfirmed{OrderID: id, UserID: "ada", Total: eur(1900)})
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed", "payment_state", "authorized", "stock_state", "reserved")

		h.Consumes(t, captured(id), stockCommitted(id))
		h.Publishes(t, events.OrderPaid{OrderID: id, UserID: "ada", Amount: eur(1900)})
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed", "payment_state", "captured", "stock_state", "committed")

		admin := h.As("root", auth.Admin)
		admin.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200, "status", "shipped")
		h.Publishes(t, events.OrderShipped{OrderID: id, UserID: "ada"})
		admin.Post(t, "/orders/"+id+"/deliver", nil).Want(t, 200, "status", "delivered")
		h.Publishes(t, events.OrderDelivered{OrderID: id, UserID: "ada"})

		h.Redelivers(t)
		h.PublishesNothing(t)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "delivered", "payment_state", "captured")
	})
}

// payloads make events about an order.
type payloads []func(id string) event.Payload

func (p payloads) of(id string) []event.Payload {
	all := make([]event.Payload, len(p))
	for i, payload := range p {
		all[i] = payload(id)
	}
	return all
}

func cancelledFor(reason string) func(string) event.Payload {
	return func(id string) event.Payload { return cancelled(id, reason) }
}

func TestConsumedEventsDecideAnOrder(t *testing.T) {
	cases := map[string]struct {
		consumed, published payloads
		status              string
	}{
		"no stock":                       {payloads{stockRejected, authorized, voided}, payloads{cancelledFor("stock_rejected")}, "cancelled"},
		"payment declined":               {payloads{stockReserved, declined, stockReleased}, payloads{cancelledFor("payment_declined")}, "cancelled"},
		"neither stock nor payment":      {payloads{declined, stockRejected}, payloads{cancelledFor("payment_declined")}, "cancelled"},
		"a reservation that expires":     {payloads{stockReserved, stockReleased, authorized}, payloads{cancelledFor("stock_rejected")}, "cancelled"},
		"a capture that fails":           {payloads{stockReserved, authorized, stockCommitted, captureFailed}, payloads{confirmed, cancelledFor("capture_failed")}, "cancelled"},
		"a refund before shipping":       {payloads{stockReserved, authorized, captured, stockCommitted, refunded}, payloads{confirmed, paid, cancelledFor("admin")}, "cancelled"},
		"both succeed":                   {payloads{stockReserved, authorized, stockCommitted, captured}, payloads{confirmed, paid}, "confirmed"},
		"both succeed, in reverse order": {payloads{captured, stockCommitted, authorized, stockReserved}, payloads{confirmed, paid}, "confirmed"},
	}
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				oneByOne, atOnce := orderTeas(t, h, ada), orderTeas(t, h, ada)
				h.Consumes(t, c.consumed.of(oneByOne)...)
				h.Publishes(t, c.published.of(oneByOne)...)
				h.ConsumesBatch(t, c.consumed.of(atOnce)...)
				h.Publishes(t, c.published.of(atOnce)...)
				h.Redelivers(t)
				h.PublishesNothing(t)
				for _, id := range []string{oneByOne, atOnce} {
					ada.Get(t, "/orders/"+id).Want(t, 200, "status", c.status)
				}
			})
		}
	})
}

func TestManyOrdersAreDecidedInOneTransaction(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var consumed, published []event.Payload
		for range 40 {
			id := orderTeas(t, h, ada)
			consumed = append(consumed, authorized(id), stockReserved(id))
			published = append(published, confirmed(id))
		}
		h.ConsumesBatch(t, consumed...)
		h.Publishes(t, published...)
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "0"))
}

func TestAPendingOrderIsCancelledAtItsDeadline(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		waiting, agreed := orderTeas(t, h, ada), orderTeas(t, h, ada)
		h.Consumes(t, stockReserved(waiting), stockReserved(agreed), authorized(agreed))
		h.Publishes(t, confirmed(agreed))

		h.Elapse(t, 30*time.Second-time.Microsecond, "backlog")
		h.PublishesNothing(t)
		h.Advance(time.Microsecond)
		h.Publishes(t, cancelled(waiting, "deadline"))
		ada.Get(t, "/orders/"+waiting).Want(t, 200, "status", "cancelled", "cancel_reason", "deadline", "payment_state", "unknown")

		h.Consumes(t, authorized(waiting), voided(waiting), stockReleased(waiting))
		h.PublishesNothing(t)
		ada.Get(t, "/orders/"+waiting).Want(t, 200, "status", "cancelled", "payment_state", "voided", "stock_state", "released")
	}, servicetest.Setting("ORDERS_DEADLINE", "30s"))
}

func TestTheDeadlineIsReadByItsFormerName(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		ada.Post(t, "/orders", twoTeas).Want(t, 201, "deadline_at", "2026-01-01T12:00:30.000000Z")
	}, servicetest.Setting("ORDER_DEADLINE", "30s"))
}

func TestACustomerCancelsAnOrder(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.Consumes(t, stockReserved(id), authorized(id))
		h.Publishes(t, confirmed(id))
		first := ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200, "status", "cancelled", "cancel_reason", "customer")
		h.Publishes(t, cancelled(id, "customer"))
		again := ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200)
		require.JSONEq(t, string(first.Body), string(again.Body))
		h.PublishesNothing(t)
		h.As("root", auth.Admin).Post(t, "/orders/"+id+"/ship", nil).Problem(t, 409, "order_not_shippable")
	})
}

func TestAnAdminCancelsAnOrder(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.As("root", auth.Admin).Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200, "cancel_reason", "admin")
		h.Publishes(t, cancelled(id, "admin"))
	})
}

func TestOnlyPaidOrdersShipAndOnlyShippedOrdersAreDelivered(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		admin := h.As("root", auth.Admin)
		id := orderTeas(t, h, ada)
		ship, deliver, cancel := "/orders/"+id+"/ship", "/orders/"+id+"/deliver", "/orders/"+id+"/cancel"

		admin.Post(t, ship, nil).Problem(t, 409, "order_not_paid")
		admin.Post(t, deliver, nil).Problem(t, 409, "order_not_shipped")
		h.Consumes(t, stockReserved(id), authorized(id), captured(id))
		h.Publishes(t, confirmed(id))
		admin.Post(t, ship, nil).Problem(t, 409, "order_not_paid")
		h.PublishesNothing(t)
		h.Consumes(t, stockCommitted(id))
		h.Publishes(t, paid(id))

		admin.Post(t, ship, nil).Want(t, 200, "status", "shipped")
		h.Publishes(t, events.OrderShipped{OrderID: id, UserID: "ada"})
		admin.Post(t, ship, nil).Problem(t, 409, "order_not_shippable")
		ada.Post(t, cancel, nil).Problem(t, 409, "order_shipped")
		admin.Post(t, cancel, nil).Problem(t, 409, "order_shipped")
		h.Consumes(t, refunded(id))
		h.PublishesNothing(t)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "shipped", "payment_state", "refunded")
	})
}

func TestALateOldPriceDoesNotReplaceANewerOne(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		dearer, cheaper := tea, tea
		dearer.Version, dearer.Price = 3, eur(400)
		cheaper.Version, cheaper.Price = 2, eur(300)
		h.ConsumesBatch(t, dearer, cheaper)
		h.Consumes(t, cheaper)
		ada.Post(t, "/orders", twoTeas).Want(t, 201, "total.amount", 800)
	})
}

func TestAnOrderKeepsThePricesItWasPlacedAt(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		dearer := tea
		dearer.Version, dearer.Price, dearer.Name = 2, eur(400), "Finer tea"
		h.Consumes(t, dearer)
		ada.Get(t, "/orders/"+id).Want(t, 200, "total.amount", 700, "items.0.name", "Tea")
	})
}

func TestAProductThatSeemsShortCanBeOrdered(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		h.ConsumesBatch(t, events.StockChanged{SKU: "tea", Available: 1, Version: 2}, events.StockChanged{SKU: "tea", Available: 9, Version: 1})
		id := orderTeas(t, h, ada)
		ada.Get(t, "/orders/"+id+"/timeline").
			Want(t, 200, "items.0.detail", "Order placed: 2 items, 7.00 EUR (may be out of stock: 2 of tea ordered, 1 available)")
	})
}

func TestTheTimelineShowsWhatHappened(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.Advance(time.Second)
		h.Consumes(t, events.StockReserved{OrderID: id, Lines: []events.StockLine{{SKU: "tea", Quantity: 2}}})
		h.Advance(time.Second)
		h.Consumes(t, declined(id))
		var timeline struct {
			Items []struct{ What, By, Detail, EventID, CausationID string }
		}
		response := ada.Get(t, "/orders/"+id+"/timeline").Want(t, 200, "items.1.at", "2026-01-01T12:00:01.000000Z")
		response.JSON(t, &timeline)
		var shown []string
		for _, e := range timeline.Items {
			shown = append(shown, e.What+" by "+e.By+": "+e.Detail)
		}
		require.Equal(t, []string{
			"order.created.v1 by customer: Order placed: 2 items, 7.00 EUR",
			"stock.reserved.v1 by test: Stock reserved: 2 items",
			"payment.declined.v1 by test: Payment declined: 7.00 EUR (insufficient funds)",
			"order.cancelled.v1 by orders: Cancelled: payment declined",
		}, shown)
		require.Equal(t, response.Field(t, "items.2.event_id"), response.Field(t, "items.3.causation_id"))
	})
}

func TestTheTimelineNamesThePublishedEvent(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := ada.Post(t, "/orders", twoTeas).Field(t, "id")
		var eventID string
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT event_id FROM outbox").Scan(&eventID))
		ada.Get(t, "/orders/"+id+"/timeline").Want(t, 200, "items.0.event_id", eventID)
	})
}

func TestMetricsCountEventsAndDecisionTime(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.Advance(3 * time.Second)
		h.Consumes(t, declined(id))
		metrics := string(h.Anonymous().Get(t, "/metrics").Body)
		require.Contains(t, metrics, `troupe_orders_events_published_total{reason="",type="order.created.v1"} 1`)
		require.Contains(t, metrics, `troupe_orders_events_published_total{reason="payment_declined",type="order.cancelled.v1"} 1`)
		require.Contains(t, metrics, `troupe_orders_decision_seconds_sum{status="cancelled"} 3`)
	})
}

func TestAnInvalidDeadlineStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0s", "-1m", "soon"} {
		_, err := app.NewInstance(orders.Service, app.Dependencies{
			Environ: map[string]string{"ORDERS_DEADLINE": value}, Version: "test", DB: sqldbtest.SQLite(t, app.Migrations(orders.Service)...),
			Publisher: unusedPublisher{}, Peers: map[string]string{}, Transport: http.DefaultTransport,
			Now: time.Now, NewID: func() string { return "" }, Log: slog.New(slog.DiscardHandler),
		})
		require.ErrorContains(t, err, "ORDERS_DEADLINE is ")
	}
}
