package story_test

import (
	"time"

	"troupe/events"
	"troupe/patterns/journal"
)

func paidOrder() *scenario {
	s := newScenario()
	s.pays(s.confirms())
	return s
}

func declinedOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	s.handles(s.reserves(c), "orders")
	s.passes(1150 * time.Millisecond)
	d := s.publishes("payments", c, events.PaymentDeclined{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total, Reason: "card_declined"})
	s.handles(d, "orders", "notifications")
	x := s.cancels(d, "payment_declined")
	s.handles(x, "inventory", "payments", "notifications")
	s.handles(s.publishes("inventory", x, events.StockReleased{OrderID: orderID, Lines: lines, Reason: "payment_declined"}), "orders")
	s.mails(x, "order.cancelled")
	return s
}

func outOfStockOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	r := s.publishes("inventory", c, events.StockRejected{OrderID: orderID, Short: []events.Shortage{{SKU: "CAP", Wanted: 1, Available: 0}}})
	s.handles(r, "orders")
	x := s.cancels(r, "stock_rejected")
	s.handles(x, "inventory", "payments", "notifications")
	s.handles(s.publishes("inventory", x, events.StockReleased{OrderID: orderID, Lines: nil, Reason: "stock_rejected"}), "orders")
	s.passes(30 * time.Millisecond)
	s.handles(s.publishes("payments", x, events.PaymentVoided{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total}), "orders")
	s.mails(x, "order.cancelled")
	return s
}

func retryingOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	for _, wait := range []time.Duration{time.Second, 4 * time.Second, 38 * time.Second} {
		s.fails("payments", c, wait)
		s.passes(wait)
	}
	s.now = began.Add(43*time.Second + 100*time.Millisecond)
	return s
}

func retriedOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	s.fails("payments", c, time.Second)
	s.passes(time.Second)
	s.fails("payments", c, 2*time.Second)
	s.passes(2 * time.Second)
	s.handles(c, "payments")
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

func deadOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	s.attempt("payments", c, journal.Dead, "decode order.created.v1: unexpected end of JSON input", 0)
	s.passes(90 * time.Second)
	return s
}

func replayedOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	for range 11 {
		s.fails("payments", c, time.Second)
		s.passes(time.Second)
	}
	s.attempt("payments", c, journal.Dead, refused, 0)
	s.passes(2 * time.Minute)
	s.tries["payments"+c] = 0
	s.handles(c, "payments")
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

func cancelledAfterPaid() *scenario {
	s := newScenario()
	s.pays(s.confirms())
	s.passes(4*time.Minute + 10*time.Second)
	x := s.cancels("", "customer")
	s.handles(x, "inventory", "payments", "notifications")
	s.handles(s.publishes("inventory", x, events.StockReleased{OrderID: orderID, Lines: lines, Reason: "customer"}), "orders")
	s.passes(60 * time.Millisecond)
	m := s.publishes("payments", x, events.PaymentRefunded{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total, Reason: "customer"})
	s.handles(m, "orders", "notifications")
	s.mails(x, "order.cancelled")
	s.mails(m, "payment.refunded")
	return s
}

func cancelledByCustomer() *scenario {
	s := newScenario()
	s.reserved()
	s.passes(200 * time.Millisecond)
	s.compensates(s.cancels("", "customer"))
	return s
}

// longOrder has five hundred steps: a consumer fails for hours, and the broker delivers an
// event again and again.
func longOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	for i := range 441 {
		wait := time.Duration(1+i%7) * time.Second
		s.fails("payments", c, wait)
		s.passes(wait)
		if i%11 == 0 {
			s.attempt("inventory", c, journal.Duplicate, "", 0)
		}
	}
	s.handles(c, "payments")
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

// providerTimesOut is an order whose provider charges and answers too late.
func providerTimesOut() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	s.handles(s.reserves(c), "orders")
	s.passes(7 * time.Second)
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

// slowConsumer is an order whose events reach payments late.
func slowConsumer() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	s.passes(6 * time.Second)
	s.handles(c, "payments")
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

// brokerAway is an order whose first event is on its way for a long time.
func brokerAway() *scenario {
	s := newScenario()
	c := s.placed()
	s.passes(8 * time.Second)
	s.handles(c, "inventory", "notifications", "payments")
	s.handles(s.reserves(c), "orders")
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

func duplicateDelivery() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	s.attempt("inventory", c, journal.Duplicate, "", 0)
	s.handles(s.reserves(c), "orders")
	s.pays(s.confirmsWith(s.authorizes(c)))
	return s
}

func serviceDown() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "notifications", "payments")
	s.handles(s.authorizes(c), "orders")
	s.passes(12 * time.Second)
	return s
}

func stuckOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications", "payments")
	s.handles(s.reserves(c), "orders")
	s.passes(9 * time.Minute)
	return s
}

func overdueOrder() *scenario {
	s := newScenario()
	c := s.placed()
	s.handles(c, "inventory", "notifications")
	s.handles(s.reserves(c), "orders")
	s.passes(15 * time.Minute)
	s.compensates(s.cancels("", "deadline"))
	return s
}

func captureFails() *scenario {
	s := newScenario()
	c := s.confirms()
	s.handles(c, "inventory", "payments")
	s.handles(s.publishes("inventory", c, events.StockCommitted{OrderID: orderID, Lines: lines}), "orders")
	f := s.publishes("payments", c, events.PaymentCaptureFailed{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total, Reason: "expired"})
	s.handles(f, "orders")
	s.compensates(s.cancels(f, "capture_failed"))
	return s
}

func compensationFails() *scenario {
	s := newScenario()
	s.reserved()
	x := s.cancels("", "admin")
	s.handles(x, "payments", "notifications")
	s.fails("inventory", x, 2*time.Second)
	s.passes(30 * time.Millisecond)
	s.handles(s.publishes("payments", x, events.PaymentVoided{OrderID: orderID, UserID: userID, PaymentID: "p1", Amount: total}), "orders")
	return s
}

func deliveredOrder() *scenario {
	s := newScenario()
	s.pays(s.confirms())
	s.passes(2*time.Hour + 5*time.Minute)
	s.handles(s.publishes("orders", "", events.OrderShipped{OrderID: orderID, UserID: userID}), "notifications")
	s.passes(72 * time.Hour)
	s.handles(s.publishes("orders", "", events.OrderDelivered{OrderID: orderID, UserID: userID}), "notifications")
	return s
}

func mailBounces() *scenario {
	s := newScenario()
	p := s.pays(s.confirms())
	s.records = s.records[:len(s.records)-1]
	s.publishes("notifications", p, events.NotificationFailed{
		DeliveryID: "d1", UserID: userID, OrderID: orderID, Kind: "order.paid", Channel: "email", Reason: "550 no such user",
	})
	return s
}
