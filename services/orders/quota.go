package orders

import (
	"sync"
	"time"

	"troupe/platform/fault"
	"troupe/services/orders/internal/order"
)

// quota limits how much one customer can set aside with orders that are not decided. A
// payment whose outcome is unknown holds the stock of its order for minutes.
type quota struct {
	orders   int   // how many; 0: no limit
	quantity int64 // of one product

	mu      sync.Mutex
	placing map[string]int // by customer, the orders that this replica is storing now
}

// held is what a customer has set aside, as far as the customer's quota is concerned.
type held struct {
	orders   int
	quantity map[string]int64 // by SKU
}

// add adds the lines of one undecided order.
func (h *held) add(lines []order.Line) {
	h.orders++
	for _, l := range lines {
		h.quantity[l.SKU] += l.Quantity
	}
}

// begin counts an order that the customer is about to place. It returns how many more of
// the customer's orders are being stored, which the database may not show yet. The
// caller calls end when the order is stored.
func (q *quota) begin(customer string) (others int, end func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	others = q.placing[customer]
	q.placing[customer]++
	return others, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.placing[customer]--; q.placing[customer] == 0 {
			delete(q.placing, customer)
		}
	}
}

// check returns an error if the customer may not place p, beside what is held already and
// while others of the customer's orders are being stored.
func (q *quota) check(p order.PlaceOrder, h held, others int) error {
	if q.orders > 0 && h.orders+others >= q.orders {
		return tooMany(fault.New(fault.TooManyRequests, "too_many_undecided_orders",
			"you have %d orders that are not decided yet; wait for them, or cancel one", q.orders))
	}
	for _, item := range p.Items {
		switch {
		case item.Quantity > q.quantity:
			return fault.New(fault.Invalid, "quantity_too_large", "order at most %d of %s", q.quantity, item.SKU)
		case h.quantity[item.SKU]+item.Quantity > q.quantity:
			return tooMany(fault.New(fault.TooManyRequests, "too_many_undecided_pieces",
				"with your orders that are not decided yet this is more than %d of %s; wait for them, or order fewer", q.quantity, item.SKU))
		}
	}
	return nil
}

// tooMany returns f with the time after which most orders are decided.
func tooMany(f *fault.Error) *fault.Error {
	f.RetryAfter = 5 * time.Second
	return f
}
