package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// customer is a user with an account.
type customer struct {
	id      string
	version int64
	deleted bool
	token   string
	expires time.Time
}

const admin = "admin"

// setUp creates products and customers.
func (r *run) setUp() {
	r.customers = []*customer{{id: admin}}
	for i := range 5 {
		r.customers = append(r.customers, &customer{id: fmt.Sprintf("customer-%d", i+1)})
		r.publishAccount(r.customers[i+1])
	}
	r.skus = []string{"glasses", "mask", "poster", "ticket"}
	for i, sku := range r.skus {
		r.send(r.priceRequest(sku, 500*(i+1)))
		r.send(r.stockRequest(sku, 12))
	}
}

// publishAccount publishes that an account is new, or has changed, in place of the
// users service, which is not simulated.
func (r *run) publishAccount(c *customer) {
	c.version++
	if c.version == 1 {
		r.publishFromUsers(c, events.UserRegistered{UserID: c.id, Email: c.id + "@example.com", Name: "Ada", Locale: "en", Version: 1})
		return
	}
	r.publishFromUsers(c, events.UserUpdated{UserID: c.id, Email: fmt.Sprintf("%s.%d@example.com", c.id, c.version), Name: "Ada", Locale: "en", Version: c.version})
}

// deleteAccount publishes that an account was deleted.
func (r *run) deleteAccount(c *customer) {
	c.version++
	c.deleted = true
	r.publishFromUsers(c, events.UserDeleted{UserID: c.id, Version: c.version})
}

func (r *run) publishFromUsers(c *customer, payload event.Payload) {
	e, err := event.New(r.ids.next(r.now), "users", r.now, payload)
	if err == nil {
		var body []byte
		if body, err = event.Encode(e); err == nil {
			m := bus.Message{ID: e.ID, Type: e.Type, Body: body}
			r.checker.add(&publishedEvent{Message: m, about: c.id, source: "users"})
			errs := r.broker.Publish([]bus.Message{m})
			r.checker.eventsAccepted([]bus.Message{m}, errs)
		}
	}
	if err != nil {
		r.report("users could not publish %s: %w", payload.EventType(), err)
	}
	r.record("users", "publishes %s of %s", strings.TrimSuffix(payload.EventType(), ".v1"), c.id)
}

// methods are the payment methods of customers, those that succeed more often.
var methods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined",
	"pm_fake_timeout_then_charged", "pm_fake_timeout", "pm_fake_slow", "pm_fake_capture_fails",
}

// anyCustomer returns a random customer.
func (r *run) anyCustomer() *customer {
	return r.customers[1+r.random.IntN(len(r.customers)-1)]
}

func (r *run) placeOrder() {
	r.placeOrderOf(r.anyCustomer(), methods[r.random.IntN(len(methods))], 1+r.random.IntN(3))
}

// placeOrderOf has a customer order some of at most so many products.
func (r *run) placeOrderOf(c *customer, method string, most int) {
	var items []string
	for _, i := range r.random.Perm(len(r.skus))[:min(most, len(r.skus))] {
		items = append(items, fmt.Sprintf(`{"sku":%q,"quantity":%d}`, r.skus[i], 1+r.random.IntN(4)))
	}
	r.send(r.orderRequest(c, fmt.Sprintf(`{"items":[%s],"payment_method":%q}`, strings.Join(items, ","), method), "orders, with "+method))
}

func (r *run) orderRequest(c *customer, body, what string) *request {
	r.orderRequests++
	return &request{service: "orders", method: "POST", path: "/orders", by: c, key: r.newKey(), body: body, what: what}
}

// pickOrder returns one of the latest orders of a kind; nil if there is none.
func (r *run) pickOrder(is func(*orderState) bool) *orderState {
	var some []*orderState
	for _, o := range slices.Backward(r.checker.orders) {
		if is(o) {
			some = append(some, o)
		}
		if len(some) == 8 {
			break
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[r.random.IntN(len(some))]
}

func isAny(*orderState) bool           { return true }
func isShippable(o *orderState) bool   { return o.status == "confirmed" && o.paid }
func isShipped(o *orderState) bool     { return o.status == "shipped" }
func isCancellable(o *orderState) bool { return o.status == "pending" || o.status == "confirmed" }
func isCaptured(o *orderState) bool    { return o.paymentState == "captured" }

// cancelOrder has a customer cancel an order.
func (r *run) cancelOrder() {
	if o := r.pickOrder(isCancellable); o != nil {
		r.orderAction(o, r.byID(o.user), "cancel")
	}
}

func (r *run) byID(id string) *customer {
	return r.customers[slices.IndexFunc(r.customers, func(c *customer) bool { return c.id == id })]
}

// orderAction posts to one of an order's actions: cancel, ship or deliver.
func (r *run) orderAction(o *orderState, by *customer, verb string) {
	r.send(&request{service: "orders", method: "POST", path: "/orders/" + o.id + "/" + verb, by: by, key: r.newKey(), what: verb + "s " + r.labels.of(o.id)})
}

// adminAction has an admin do something with an order, mostly something that makes sense.
func (r *run) adminAction() {
	actions := []struct {
		is func(*orderState) bool
		do func(*orderState)
	}{
		{isShippable, func(o *orderState) { r.orderAction(o, nil, "ship") }},
		{isShipped, func(o *orderState) { r.orderAction(o, nil, "deliver") }},
		{isCaptured, r.refund},
		{isAny, func(o *orderState) { r.orderAction(o, nil, []string{"cancel", "ship", "deliver"}[r.random.IntN(3)]) }},
		{isAny, func(o *orderState) {
			r.send(&request{service: "orders", method: "GET", path: "/orders/" + o.id + "/timeline", what: "looks at " + r.labels.of(o.id)})
		}},
	}
	action := actions[r.random.IntN(len(actions))]
	if o := r.pickOrder(action.is); o != nil {
		action.do(o)
	}
}

func (r *run) refund(o *orderState) {
	r.send(&request{
		service: "payments", method: "POST", path: "/payments/" + o.payment + "/refund", key: r.newKey(),
		body: `{"reason":"goodwill"}`, what: "refunds " + r.labels.of(o.id),
	})
}

// changeProduct has an admin change the stock or a price of a product.
func (r *run) changeProduct() {
	sku := r.skus[r.random.IntN(len(r.skus))]
	if r.maybe(70) {
		r.send(r.stockRequest(sku, []int{-5, -1, 3, 8, 15}[r.random.IntN(5)]))
		return
	}
	r.send(r.priceRequest(sku, 100+r.random.IntN(5000)))
}

func (r *run) priceRequest(sku string, price int) *request {
	return &request{
		service: "inventory", method: "PUT", path: "/products/" + sku, what: fmt.Sprintf("offers %s for %d", sku, price),
		body: fmt.Sprintf(`{"name":"A %s","price":{"amount":%d,"currency":"EUR"}}`, sku, price),
	}
}

func (r *run) stockRequest(sku string, delta int) *request {
	return &request{
		service: "inventory", method: "POST", path: "/products/" + sku + "/stock", key: r.newKey(), what: fmt.Sprintf("changes %s by %d", sku, delta),
		body: fmt.Sprintf(`{"delta":%d,"reason":"count"}`, delta),
	}
}
