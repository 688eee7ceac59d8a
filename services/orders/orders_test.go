package orders_test

import (
	"testing"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/orders"
)

func TestSmoke(t *testing.T) {
	servicetest.Run(t, orders.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Hears(t, events.ProductChanged{SKU: "tea", Name: "Tea", Price: events.Money{Amount: 350, Currency: "EUR"}, Active: true, Version: 1})
		ada := h.As("ada", auth.User)
		id := ada.Post(t, "/orders", `{"items":[{"sku":"tea","quantity":2}],"payment_method":"pm_card_visa"}`).
			Want(t, 201, "status", "pending", "total.amount", 700).Field(t, "id")
		h.Hears(t, events.StockReserved{OrderID: id}, events.PaymentAuthorized{OrderID: id})
		ada.Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed")
		t.Log(string(ada.Get(t, "/orders/"+id+"/timeline").Body))
	})
}
