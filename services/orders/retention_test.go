package orders_test

import (
	"testing"
	"time"

	"troupe/app/servicetest"
	"troupe/platform/auth"
)

func TestTheTimelineOfAnOldOrderIsForgotten(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		first := orderTeas(t, h, ada)
		h.Consumes(t, stockRejected(first))
		h.Publishes(t, cancelled(first, "stock_rejected"))
		h.Advance(8000 * time.Hour)
		second := orderTeas(t, h, h.As("ada", auth.User))
		h.Consumes(t, stockRejected(second))
		h.Publishes(t, cancelled(second, "stock_rejected"))
		h.Advance(1000 * time.Hour)
		h.Step(t, "retention")
		ada = h.As("ada", auth.User)
		ada.Get(t, "/orders/"+first+"/timeline").Want(t, 200, "items.0", nil)
		ada.Get(t, "/orders/"+second+"/timeline").Want(t, 200, "items.0.what", "order.created.v1")
		ada.Get(t, "/orders/"+first).Want(t, 200, "status", "cancelled")

		h.Redelivers(t) // the timeline showed that it was handled
		ada.Get(t, "/orders/"+first).Want(t, 200, "status", "cancelled")
		h.PublishesNothing(t)
	})
}
