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
	said := servicetest.Published[events.OrderCreated](t, h)
	h.Publishes(t, said[len(said)-1])
	return id
}

// What the others say about an order.
func stockReserved(id string) event.Payload  { return events.StockReserved{OrderID: id} }
func stockCommitted(id string) event.Payload { return events.StockCommitted{OrderID: id} }
func stockReleased(id string) event.Payload {
	return events.StockReleased{OrderID: id, Reason: "cancelled"}
}

func authorized(id string) event.Payload {
	return events.PaymentAuthorized{OrderID: id, Amount: eur(700)}
}

func captured(id string) event.Payload { return events.PaymentCaptured{OrderID: id, Amount: eur(700)} }
func voided(id string) event.Payload   { return events.PaymentVoided{OrderID: id, Amount: eur(700)} }
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

// What orders says about an order of two teas of ada.
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
				"shipping_address.city", "London", "deadline_at", "2026-01-01T12:02:00Z", "cancel_reason", nil)
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
		h.Publishes(t)
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
		h.Publishes(t)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "delivered", "payment_state", "captured")
	})
}

// words are said of an order.
type words []func(id string) event.Payload

func (w words) of(id string) []event.Payload {
	facts := make([]event.Payload, len(w))
	for i, word := range w {
		facts[i] = word(id)
	}
	return facts
}

func off(reason string) func(string) event.Payload {
	return func(id string) event.Payload { return cancelled(id, reason) }
}

func TestWhatTheOthersSayDecides(t *testing.T) {
	cases := map[string]struct {
		heard, said words
		status      string
	}{
		"no stock":                      {words{stockRejected, authorized, voided}, words{off("stock_rejected")}, "cancelled"},
		"no money":                      {words{stockReserved, declined, stockReleased}, words{off("payment_declined")}, "cancelled"},
		"neither":                       {words{declined, stockRejected}, words{off("payment_declined")}, "cancelled"},
		"a hold that runs out":          {words{stockReserved, stockReleased, authorized}, words{off("stock_rejected")}, "cancelled"},
		"money that vanishes after all": {words{stockReserved, authorized, stockCommitted, captureFailed}, words{confirmed, off("capture_failed")}, "cancelled"},
		"money given back too early":    {words{stockReserved, authorized, captured, stockCommitted, refunded}, words{confirmed, paid, off("admin")}, "cancelled"},
		"all well":                      {words{stockReserved, authorized, stockCommitted, captured}, words{confirmed, paid}, "confirmed"},
		"all well, the wrong way round": {words{captured, stockCommitted, authorized, stockReserved}, words{confirmed, paid}, "confirmed"},
	}
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		for name, c := range cases {
			t.Log("given", name)
			oneByOne, atOnce := orderTeas(t, h, ada), orderTeas(t, h, ada)
			h.Consumes(t, c.heard.of(oneByOne)...)
			h.Publishes(t, c.said.of(oneByOne)...)
			h.ConsumesBatch(t, c.heard.of(atOnce)...)
			h.Publishes(t, c.said.of(atOnce)...)
			h.Redelivers(t)
			h.Publishes(t)
			for _, id := range []string{oneByOne, atOnce} {
				ada.Get(t, "/orders/"+id).Want(t, 200, "status", c.status)
			}
		}
	})
}

func TestManyOrdersAreDecidedTogether(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var heard, said []event.Payload
		for range 40 {
			id := orderTeas(t, h, ada)
			heard = append(heard, authorized(id), stockReserved(id))
			said = append(said, confirmed(id))
		}
		h.ConsumesBatch(t, heard...)
		h.Publishes(t, said...)
	})
}

func TestADeadlineEndsTheWaiting(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		waiting, agreed := orderTeas(t, h, ada), orderTeas(t, h, ada)
		h.Consumes(t, stockReserved(waiting), stockReserved(agreed), authorized(agreed))
		h.Publishes(t, confirmed(agreed))

		h.Advance(30*time.Second - time.Microsecond)
		h.Publishes(t)
		h.Advance(time.Microsecond)
		h.Publishes(t, cancelled(waiting, "deadline"))
		ada.Get(t, "/orders/"+waiting).Want(t, 200, "status", "cancelled", "cancel_reason", "deadline", "payment_state", "unknown")

		h.Consumes(t, authorized(waiting), voided(waiting), stockReleased(waiting))
		h.Publishes(t)
		ada.Get(t, "/orders/"+waiting).Want(t, 200, "status", "cancelled", "payment_state", "voided", "stock_state", "released")
	}, servicetest.Setting("ORDER_DEADLINE", "30s"))
}

func TestTheCustomerCancels(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.Consumes(t, stockReserved(id), authorized(id))
		h.Publishes(t, confirmed(id))
		first := ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200, "status", "cancelled", "cancel_reason", "customer")
		h.Publishes(t, cancelled(id, "customer"))
		again := ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200)
		require.JSONEq(t, string(first.Body), string(again.Body))
		h.Publishes(t)
		h.As("root", auth.Admin).Post(t, "/orders/"+id+"/ship", nil).Problem(t, 409, "order_not_shippable")
	})
}

func TestAnAdminCancels(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.As("root", auth.Admin).Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200, "cancel_reason", "admin")
		h.Publishes(t, cancelled(id, "admin"))
	})
}

func TestOnlyWhatIsPaidIsShippedAndOnlyWhatIsShippedIsDelivered(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		admin := h.As("root", auth.Admin)
		id := orderTeas(t, h, ada)
		ship, deliver, cancel := "/orders/"+id+"/ship", "/orders/"+id+"/deliver", "/orders/"+id+"/cancel"

		admin.Post(t, ship, nil).Problem(t, 409, "order_not_paid")
		admin.Post(t, deliver, nil).Problem(t, 409, "order_not_shipped")
		h.Consumes(t, stockReserved(id), authorized(id), captured(id))
		h.Publishes(t, confirmed(id))
		admin.Post(t, ship, nil).Problem(t, 409, "order_not_paid")
		h.Publishes(t)
		h.Consumes(t, stockCommitted(id))
		h.Publishes(t, paid(id))

		admin.Post(t, ship, nil).Want(t, 200, "status", "shipped")
		h.Publishes(t, events.OrderShipped{OrderID: id, UserID: "ada"})
		admin.Post(t, ship, nil).Problem(t, 409, "order_not_shippable")
		ada.Post(t, cancel, nil).Problem(t, 409, "order_shipped")
		admin.Post(t, cancel, nil).Problem(t, 409, "order_shipped")
		h.Consumes(t, refunded(id))
		h.Publishes(t)
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

func TestWhatSeemsShortIsOrderedAllTheSame(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		h.ConsumesBatch(t, events.StockChanged{SKU: "tea", Available: 1, Version: 2}, events.StockChanged{SKU: "tea", Available: 9, Version: 1})
		id := orderTeas(t, h, ada)
		ada.Get(t, "/orders/"+id+"/timeline").
			Want(t, 200, "items.0.detail", "2 pieces for 7.00 EUR. Seemingly short: 2 of tea wanted, 1 on hand.")
	})
}

func TestTheTimelineTellsWhatHappened(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.Advance(time.Second)
		h.Consumes(t, events.StockReserved{OrderID: id, Lines: []events.StockLine{{SKU: "tea", Quantity: 2}}})
		h.Advance(time.Second)
		h.Consumes(t, declined(id))
		var timeline struct {
			Items []struct{ What, By, Detail, EventID, CausationID string }
		}
		answer := ada.Get(t, "/orders/"+id+"/timeline").Want(t, 200, "items.1.at", "2026-01-01T12:00:01Z")
		answer.JSON(t, &timeline)
		var told []string
		for _, e := range timeline.Items {
			told = append(told, e.What+" by "+e.By+": "+e.Detail)
		}
		require.Equal(t, []string{
			"order.created.v1 by customer: 2 pieces for 7.00 EUR.",
			"stock.reserved.v1 by test: 2 pieces set aside.",
			"payment.declined.v1 by test: 7.00 EUR declined: insufficient_funds.",
			"order.cancelled.v1 by orders: Cancelled because the payment was declined.",
		}, told)
		require.Equal(t, answer.Field(t, "items.2.event_id"), answer.Field(t, "items.3.causation_id"))
	})
}

func TestTheTimelineNamesTheEventThatWasSaid(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := ada.Post(t, "/orders", twoTeas).Field(t, "id")
		var eventID string
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT event_id FROM outbox").Scan(&eventID))
		ada.Get(t, "/orders/"+id+"/timeline").Want(t, 200, "items.0.event_id", eventID)
	})
}

func TestMetricsTellHowOrdersFare(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		h.Advance(3 * time.Second)
		h.Consumes(t, declined(id))
		metrics := string(h.Anonymous().Get(t, "/metrics").Body)
		require.Contains(t, metrics, `troupe_orders_said_total{reason="",type="order.created.v1"} 1`)
		require.Contains(t, metrics, `troupe_orders_said_total{reason="payment_declined",type="order.cancelled.v1"} 1`)
		require.Contains(t, metrics, `troupe_orders_decision_seconds_sum{status="cancelled"} 3`)
	})
}

func TestSettingsThatMakeNoSenseStopTheStart(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"0s", "-1m", "soon"} {
		_, err := app.NewInstance(orders.Service, app.Dependencies{
			Environ: map[string]string{"ORDER_DEADLINE": value}, Version: "test", DB: sqldbtest.SQLite(t, app.Migrations(orders.Service)...),
			Publisher: mute{}, Peers: map[string]string{}, Transport: http.DefaultTransport,
			Now: time.Now, NewID: func() string { return "" }, Log: slog.New(slog.DiscardHandler),
		})
		require.ErrorContains(t, err, "ORDER_DEADLINE")
	}
}
