package orders_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/auth"
)

// The handlers of orders need no inbox row: an order's timeline shows what it has consumed.
// Whatever happens to an order, in any order and however often it is delivered, it ends as
// if each event had come once.
func TestEventsDeliveredTwiceInAnyOrderTakeEffectOnce(t *testing.T) {
	histories := []payloads{
		{stockReserved, authorized, stockCommitted, captured},
		{stockRejected, authorized, voided},
		{stockReserved, declined, stockReleased},
		{stockReserved, authorized, stockCommitted, captureFailed},
		{stockReserved, authorized, captured, stockCommitted, refunded},
	}
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 30 {
			id := ada.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
			consumed := histories[round%len(histories)].of(id)
			random.Shuffle(len(consumed), func(i, j int) { consumed[i], consumed[j] = consumed[j], consumed[i] })
			if random.IntN(2) == 0 {
				h.ConsumesBatch(t, consumed...)
			} else {
				h.Consumes(t, consumed...)
			}
			if random.IntN(3) == 0 { // between two deliveries
				ada.Post(t, "/orders/"+id+"/cancel", nil)
			}
			order, timeline := ada.Get(t, "/orders/"+id), ada.Get(t, "/orders/"+id+"/timeline")
			requireEachEventOnce(t, timeline, consumed)

			published := publishedAbout(t, h, id)
			h.Redelivers(t)
			require.Equal(t, published, publishedAbout(t, h, id))
			require.JSONEq(t, string(order.Body), string(ada.Get(t, "/orders/"+id).Body))
			require.JSONEq(t, string(timeline.Body), string(ada.Get(t, "/orders/"+id+"/timeline").Body))
		}
		var rows int
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT count(*) FROM inbox").Scan(&rows))
		require.Zero(t, rows, "the timeline is enough")
	}, servicetest.Twice(), servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "0"))
}

// publishedAbout returns how often the confirmation, the payment and the cancellation of an
// order were published.
func publishedAbout(t *testing.T, h *servicetest.Harness, id string) [3]int {
	t.Helper()
	return [3]int{
		count(t, h, events.OrderConfirmed{OrderID: id}), count(t, h, events.OrderPaid{OrderID: id}), count(t, h, events.OrderCancelled{OrderID: id}),
	}
}

// requireEachEventOnce requires that a timeline has each consumed event once, and announces
// no outcome twice.
func requireEachEventOnce(t *testing.T, timeline *servicetest.Response, consumed []event.Payload) {
	t.Helper()
	var shown struct{ Items []struct{ What string } }
	timeline.JSON(t, &shown)
	times := map[string]int{}
	for _, e := range shown.Items {
		times[e.What]++
	}
	for _, payload := range consumed {
		require.Equal(t, 1, times[payload.EventType()], "%s in %s", payload.EventType(), timeline.Body)
	}
	for what, n := range times {
		require.Equal(t, 1, n, "%s in %s", what, timeline.Body)
	}
}

// The price and the stock of a product have versions, by which a second delivery is known.
func TestProductsDeliveredTwiceChangeNothing(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		dearer := tea
		dearer.Version, dearer.Price = 2, eur(400)
		h.Consumes(t, dearer)
		h.Redelivers(t)
		ada.Post(t, "/orders", twoTeas).Want(t, 201, "total.amount", 800)
	}, servicetest.Twice())
}

// An event that a replica of an earlier version has recorded, whose decider then stopped, is
// applied once, although the bus delivers it again.
func TestWhatAnEarlierVersionHasRecordedIsAppliedOnce(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		reserved, allowed := delivery(t, stockReserved(id)), delivery(t, authorized(id))
		for _, d := range []bus.Delivery{reserved, allowed} {
			_, err := h.DB.Exec(t.Context(), `INSERT INTO order_timeline (order_id, id, at, what, who, detail, cause, traceparent, pending)
				VALUES ($1, $2, 1, $3, 'test', 'recorded by an earlier version', '', '', TRUE)`, id, d.ID, d.Type)
			require.NoError(t, err)
		}
		h.Publishes(t, confirmed(id))
		other := replica(t, h)
		require.NoError(t, other.Inbox.Consume(t.Context(), []bus.Delivery{allowed, reserved}))
		h.PublishesNothing(t)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed")
		ada.Get(t, "/orders/"+id+"/timeline").Want(t, 200, "items.4", nil, "items.3.what", "order.confirmed.v1")
	})
}

// An event about an order that this database does not have is kept for later, and the
// events beside it are handled.
func TestAnEventAboutAnUnknownOrderIsParkedAlone(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		other := replica(t, h)
		require.NoError(t, other.Inbox.Consume(t.Context(), []bus.Delivery{
			delivery(t, stockReserved(id)), delivery(t, stockReserved("lost")), delivery(t, authorized(id)),
		}))
		h.Publishes(t, confirmed(id))
		parked, err := other.Inbox.ParkedEvents(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, parked, 1)
		require.Contains(t, parked[0].LastError, "one of them is lost")
		require.Equal(t, "stock.reserved.v1 retry", fmt.Sprint(parked[0].Type, " ", parked[0].State))
		h.As("root", auth.Admin).Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed")
	})
}
