package orders_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
)

// few lets only three orders wait at a time.
var few = servicetest.Setting("ORDERS_ADMISSION_FIRST", "3")

// fill places as many orders as may wait, each under its own key, and returns their ids.
func fill(t *testing.T, h *servicetest.Harness, c *servicetest.Client) (ids []string) {
	t.Helper()
	for n := range 3 {
		ids = append(ids, c.With("Idempotency-Key", strconv.Itoa(n)).Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id"))
		h.Step(t, "backlog")
	}
	return ids
}

func TestAnOrderThatCannotBeCarriedIsRefusedBeforeAnythingIsDone(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		ids := fill(t, h, ada)
		for _, body := range []string{twoTeas, `{"items":`, ``} { // the body is not read
			response := ada.Post(t, "/orders", body).Problem(t, 503, "orders_overloaded")
			seconds, err := strconv.Atoi(response.Header("Retry-After"))
			require.NoError(t, err)
			require.Positive(t, seconds)
		}
		h.Anonymous().Post(t, "/orders", twoTeas).Problem(t, 401, "token_missing")
		ada.Get(t, "/orders").Want(t, 200)
		ada.Get(t, "/orders/"+ids[0]).Want(t, 200, "status", "pending")
		ada.Post(t, "/orders/"+ids[0]+"/cancel", nil).Want(t, 200)
		require.Len(t, servicetest.Published[events.OrderCreated](t, h), 3)
	}, few)
}

func TestARepetitionIsAnsweredUnderOverload(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		ids := fill(t, h, ada)
		ada.With("Idempotency-Key", "new").Post(t, "/orders", twoTeas).Problem(t, 503, "orders_overloaded")
		for n, id := range ids {
			ada.With("Idempotency-Key", strconv.Itoa(n)).Post(t, "/orders", twoTeas).Want(t, 201, "id", id)
		}
		h.As("bob", auth.User).With("Idempotency-Key", "0").Post(t, "/orders", twoTeas).Problem(t, 503, "orders_overloaded")
	}, few)
}

func TestOrdersAreAcceptedAgainWhenOthersAreFinished(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		ids := fill(t, h, ada)
		ada.With("Idempotency-Key", "k").Post(t, "/orders", twoTeas).Problem(t, 503, "orders_overloaded")
		h.ConsumesBatch(t, stockReserved(ids[0]), authorized(ids[0]))
		ada.Post(t, "/orders", twoTeas).Problem(t, 503, "orders_overloaded")
		h.ConsumesBatch(t, stockCommitted(ids[0]), captured(ids[0])) // now it costs no more work
		ada.With("Idempotency-Key", "k").Post(t, "/orders", twoTeas).Want(t, 201)
	}, few)
}

// With nothing decided for a while, another service is down: that is no overload.
func TestOrdersWaitForAServiceThatIsDown(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		fill(t, h, ada)
		ada.Post(t, "/orders", twoTeas).Problem(t, 503, "orders_overloaded")
		for range 30 {
			h.Advance(time.Second)
			h.Step(t, "backlog")
		}
		for range 10 {
			ada.Post(t, "/orders", twoTeas).Want(t, 201)
		}
	}, few)
}

// lap lets seconds pass in which the service measures its backlog and enforces deadlines,
// but nothing is published.
func lap(t *testing.T, h *servicetest.Harness, seconds int) {
	t.Helper()
	for range seconds {
		h.Advance(time.Second)
		h.Step(t, "backlog")
		h.Step(t, "deadlines")
	}
}

var halfAMinute = servicetest.Setting("ORDERS_DEADLINE", "30s")

func TestDeadlinesDoNotPassWhileEventsAreNotPublished(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := ada.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
		lap(t, h, 40) // without the relay
		h.Publishes(t, servicetest.Published[events.OrderCreated](t, h)[0])
		lap(t, h, 20)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "pending")
		lap(t, h, 10)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "cancelled", "cancel_reason", "deadline")
	}, halfAMinute)
}

// The machine sleeps, or the process is stopped, for longer than any deadline.
func TestDeadlinesDoNotPassWhileTheServiceDoesNotRun(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		lap(t, h, 10)
		for _, first := range []string{"deadlines", "backlog"} { // of its workers, when it runs again
			h.Advance(8 * time.Hour)
			h.Step(t, first)
			h.Step(t, "deadlines")
			h.As("ada", auth.User).Get(t, "/orders/"+id).Want(t, 200, "status", "pending")
			lap(t, h, 3)
		}
		lap(t, h, 11) // of 30 s it has seen 29: of each gap a second counts
		h.As("ada", auth.User).Get(t, "/orders/"+id).Want(t, 200, "status", "pending")
		lap(t, h, 1)
		h.As("ada", auth.User).Get(t, "/orders/"+id).Want(t, 200, "status", "cancelled", "cancel_reason", "deadline")
	}, halfAMinute)
}

func TestNoOrderWaitsLongerThanThreeTimesItsDeadline(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := ada.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
		lap(t, h, 89)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "pending")
		lap(t, h, 1)
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "cancelled", "cancel_reason", "deadline")
	}, halfAMinute)
}

// After an outage orders are decided late, one after the other. Those whose turn has not
// come are not cancelled.
func TestDeadlinesDoNotPassWhileOrdersAreDecidedLate(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var waiting []string
		for range 16 {
			waiting = append(waiting, orderTeas(t, h, ada))
		}
		lap(t, h, 25)
		for _, id := range waiting[:15] {
			h.Consumes(t, stockReserved(id), authorized(id))
			lap(t, h, 2)
		}
		last := waiting[15]
		ada.Get(t, "/orders/"+last).Want(t, 200, "status", "pending")
		h.Consumes(t, stockReserved(last), authorized(last))
		ada.Get(t, "/orders/"+last).Want(t, 200, "status", "confirmed")
	}, halfAMinute)
}

func TestAnAnswerAfterTheDeadlineCountsWhileTheClockIsStopped(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := ada.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
		lap(t, h, 40)
		h.Consumes(t, stockReserved(id))
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "pending", "stock_state", "reserved")
	}, halfAMinute)
}

func TestACustomerWithManyUndecidedOrdersWaits(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		first, second := orderTeas(t, h, ada), ""
		second = ada.With("Idempotency-Key", "k").Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
		ada.Post(t, "/orders", twoTeas).Problem(t, 429, "too_many_undecided_orders")
		require.NotEmpty(t, ada.Post(t, "/orders", twoTeas).Header("Retry-After"))
		ada.With("Idempotency-Key", "k").Post(t, "/orders", twoTeas).Want(t, 201, "id", second)
		h.As("bob", auth.User).Post(t, "/orders", twoTeas).Want(t, 201)

		h.Consumes(t, stockReserved(first), authorized(first))
		ada.Post(t, "/orders", twoTeas).Want(t, 201)
		ada.Post(t, "/orders/"+second+"/cancel", nil).Want(t, 200)
		ada.Post(t, "/orders", twoTeas).Want(t, 201)
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "2"))
}

func TestACustomerHoldsOnlySoMuchOfAProduct(t *testing.T) {
	order := func(sku string, quantity string) string {
		return `{"items":[{"sku":"` + sku + `","quantity":` + quantity + `}],"payment_method":"pm_fake_timeout"}`
	}
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		ada.Post(t, "/orders", order("tea", "11")).Problem(t, 422, "quantity_too_large")
		held := ada.Post(t, "/orders", order("tea", "9")).Want(t, 201).Field(t, "id")
		ada.Post(t, "/orders", order("tea", "2")).Problem(t, 429, "too_many_undecided_pieces")
		ada.Post(t, "/orders", order("tea", "1")).Want(t, 201)
		ada.Post(t, "/orders", order("cup", "10")).Want(t, 201)
		h.As("bob", auth.User).Post(t, "/orders", order("tea", "10")).Want(t, 201)
		h.ConsumesBatch(t, []event.Payload{stockReserved(held), authorized(held)}...)
		ada.Post(t, "/orders", order("tea", "9")).Want(t, 201)
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_QUANTITY", "10"))
}

func TestManyRequestsAtOnceDoNotPassTheCustomersLimit(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var requests sync.WaitGroup
		for range 40 {
			requests.Go(func() { ada.Post(t, "/orders", twoTeas) })
		}
		requests.Wait()
		placed := len(servicetest.Published[events.OrderCreated](t, h))
		require.LessOrEqual(t, placed, 5)
		require.Positive(t, placed)
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "5"))
}
