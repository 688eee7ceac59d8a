package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/auth"
)

// customer is somebody with an account.
type customer struct {
	id      string
	version int64
	gone    bool
	token   string
	expires time.Time
}

const admin = "admin"

// request is one that its sender repeats, with the same key, until it is answered.
type request struct {
	service, method, path, body, key, what string
	by                                     *customer // nil: an admin
	order                                  string    // that it placed
}

// openShop offers products and registers customers.
func (w *world) openShop() {
	w.customers = []*customer{{id: admin}}
	for i := range 5 {
		w.customers = append(w.customers, &customer{id: fmt.Sprintf("customer-%d", i+1)})
		w.register(w.customers[i+1])
	}
	w.skus = []string{"glasses", "mask", "poster", "ticket"}
	for i, sku := range w.skus {
		w.send(w.pricing(sku, 500*(i+1)))
		w.send(w.stocking(sku, 12))
	}
}

func (w *world) newKey() string {
	w.keys++
	return fmt.Sprintf("key-%d", w.keys)
}

// register has the users service, which is not in this world, tell of an account.
func (w *world) register(c *customer) {
	c.version++
	if c.version == 1 {
		w.usersSay(c, events.UserRegistered{UserID: c.id, Email: c.id + "@example.com", Name: "Ada", Locale: "en", Version: 1})
		return
	}
	w.usersSay(c, events.UserUpdated{UserID: c.id, Email: fmt.Sprintf("%s.%d@example.com", c.id, c.version), Name: "Ada", Locale: "en", Version: c.version})
}

func (w *world) leave(c *customer) {
	c.version++
	c.gone = true
	w.usersSay(c, events.UserDeleted{UserID: c.id, Version: c.version})
}

func (w *world) usersSay(c *customer, f event.Payload) {
	e, err := event.New(w.ids.next(w.now), "users", w.now, f)
	if err == nil {
		var body []byte
		if body, err = event.Encode(e); err == nil {
			m := bus.Message{ID: e.ID, Type: e.Type, Body: body}
			w.witness.note(&fact{Message: m, about: c.id, source: "users"})
			took := w.broker.Publish([]bus.Message{m})
			w.witness.takes([]bus.Message{m}, took)
		}
	}
	if err != nil {
		w.complain("users could not say %s: %w", f.EventType(), err)
	}
	w.tell("users", "says %s of %s", strings.TrimSuffix(f.EventType(), ".v1"), c.id)
}

// bearer is a token that is good for a while yet.
func (w *world) bearer(c *customer) string {
	if c.token != "" && w.now.Before(c.expires.Add(-2*time.Minute)) {
		return c.token
	}
	role := auth.User
	if c.id == admin {
		role = auth.Admin
	}
	c.expires = w.now.Add(10 * time.Minute)
	token, err := w.signer.Sign(auth.Caller{UserID: c.id, Role: role, SessionID: "session-" + c.id, Expires: c.expires}, w.ids.next(w.now), w.now)
	if err != nil {
		w.complain("no token for %s: %w", c.id, err)
	}
	c.token = token
	return token
}

// send sends a request, which may get lost with the process that takes it. A
// process that lives must answer, and never with a mistake of its own.
func (w *world) send(r *request) (status int, answer []byte) {
	n, by := w.node(r.service), r.by
	if by == nil {
		by = w.customers[0]
	}
	who := by.id
	if !n.up() {
		w.tell(who, "%s: %s is down", r.what, r.service)
		w.repeatLater(r)
		return 0, nil
	}
	h := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	h.Header.Set("Authorization", "Bearer "+w.bearer(by))
	if r.body != "" {
		h.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		h.Header.Set("Idempotency-Key", r.key)
	}
	rec := httptest.NewRecorder()
	w.tell(who, "%s", r.what)
	if !n.do(func(ctx context.Context) { n.instance.Handler.ServeHTTP(rec, h.WithContext(ctx)) }) {
		w.repeatLater(r)
		return 0, nil
	}
	status, answer = rec.Code, rec.Body.Bytes()
	w.tell(r.service, "answers %d%s", status, code(status, answer))
	if status >= 500 && n.life.hurt != "" {
		w.repeatLater(r)
		return status, answer
	}
	if status >= 500 || status == http.StatusUnauthorized {
		w.complain("%s answered %d to %s %s by %s: %s", r.service, status, r.method, r.path, who, answer)
	}
	if status == http.StatusCreated && r.service == "orders" {
		w.placed(r, answer)
	}
	return status, answer
}

// placed demands that a request, however often it is sent, places one order.
func (w *world) placed(r *request, answer []byte) {
	var o struct{ ID string }
	if err := json.Unmarshal(answer, &o); err != nil {
		w.complain("orders answered what is no order: %w", err)
	}
	if r.order != "" && r.order != o.ID {
		w.complain("%s sent one request and got %s and %s", r.by.id, w.names.of(r.order), w.names.of(o.ID))
	}
	r.order = o.ID
}

func code(status int, answer []byte) string {
	var problem struct{ Code string }
	if status < 400 || json.Unmarshal(answer, &problem) != nil {
		return ""
	}
	return " " + problem.Code
}

// repeatLater keeps a request whose answer did not come.
func (w *world) repeatLater(r *request) {
	if r.key != "" && !slices.Contains(w.lost, r) && len(w.lost) < 20 {
		w.lost = append(w.lost, r)
	}
}

// repeat sends a request again whose answer did not come.
func (w *world) repeat() {
	i := w.chance.IntN(len(w.lost))
	r := w.lost[i]
	w.lost = slices.Delete(w.lost, i, i+1)
	w.send(r)
}

// methods are what customers pay with, those that go well more often.
var methods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined",
	"pm_fake_timeout_then_charged", "pm_fake_timeout", "pm_fake_slow", "pm_fake_capture_fails",
}

func (w *world) pick() *customer {
	return w.customers[1+w.chance.IntN(len(w.customers)-1)]
}

func (w *world) placeOrder() {
	w.order(w.pick(), methods[w.chance.IntN(len(methods))], 1+w.chance.IntN(3))
}

func (w *world) order(c *customer, method string, most int) {
	var items []string
	for _, i := range w.chance.Perm(len(w.skus))[:min(most, len(w.skus))] {
		items = append(items, fmt.Sprintf(`{"sku":%q,"quantity":%d}`, w.skus[i], 1+w.chance.IntN(4)))
	}
	w.send(w.orderRequest(c, fmt.Sprintf(`{"items":[%s],"payment_method":%q}`, strings.Join(items, ","), method), "orders, with "+method))
}

func (w *world) orderRequest(c *customer, body, what string) *request {
	w.requests++
	return &request{service: "orders", method: "POST", path: "/orders", by: c, key: w.newKey(), body: body, what: what}
}

// anyOrder is one of the latest of its kind, nil if there is none.
func (w *world) anyOrder(of func(*orderSeen) bool) *orderSeen {
	var some []*orderSeen
	for _, o := range slices.Backward(w.witness.orders) {
		if of(o) {
			some = append(some, o)
		}
		if len(some) == 8 {
			break
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[w.chance.IntN(len(some))]
}

func anyAtAll(*orderSeen) bool      { return true }
func shippable(o *orderSeen) bool   { return o.status == "confirmed" && o.paid }
func onItsWay(o *orderSeen) bool    { return o.status == "shipped" }
func undelivered(o *orderSeen) bool { return o.status == "pending" || o.status == "confirmed" }
func captured(o *orderSeen) bool    { return o.moneyIs == "captured" }

// cancelOrder has a customer try to cancel.
func (w *world) cancelOrder() {
	if o := w.anyOrder(undelivered); o != nil {
		w.act(o, w.byID(o.user), "cancel")
	}
}

func (w *world) byID(id string) *customer {
	return w.customers[slices.IndexFunc(w.customers, func(c *customer) bool { return c.id == id })]
}

func (w *world) act(o *orderSeen, by *customer, verb string) {
	w.send(&request{service: "orders", method: "POST", path: "/orders/" + o.id + "/" + verb, by: by, key: w.newKey(), what: verb + "s " + w.names.of(o.id)})
}

// serve has an admin do something with an order, mostly something sensible.
func (w *world) serve() {
	deeds := []struct {
		of func(*orderSeen) bool
		do func(*orderSeen)
	}{
		{shippable, func(o *orderSeen) { w.act(o, nil, "ship") }},
		{onItsWay, func(o *orderSeen) { w.act(o, nil, "deliver") }},
		{captured, w.refund},
		{anyAtAll, func(o *orderSeen) { w.act(o, nil, []string{"cancel", "ship", "deliver"}[w.chance.IntN(3)]) }},
		{anyAtAll, func(o *orderSeen) {
			w.send(&request{service: "orders", method: "GET", path: "/orders/" + o.id + "/timeline", what: "looks at " + w.names.of(o.id)})
		}},
	}
	deed := deeds[w.chance.IntN(len(deeds))]
	if o := w.anyOrder(deed.of); o != nil {
		deed.do(o)
	}
}

func (w *world) refund(o *orderSeen) {
	w.send(&request{
		service: "payments", method: "POST", path: "/payments/" + o.payment + "/refund", key: w.newKey(),
		body: `{"reason":"goodwill"}`, what: "refunds " + w.names.of(o.id),
	})
}

// keepShop has an admin change the stock or a price.
func (w *world) keepShop() {
	sku := w.skus[w.chance.IntN(len(w.skus))]
	if w.maybe(70) {
		w.send(w.stocking(sku, []int{-5, -1, 3, 8, 15}[w.chance.IntN(5)]))
		return
	}
	w.send(w.pricing(sku, 100+w.chance.IntN(5000)))
}

func (w *world) pricing(sku string, price int) *request {
	return &request{
		service: "inventory", method: "PUT", path: "/products/" + sku, what: fmt.Sprintf("offers %s for %d", sku, price),
		body: fmt.Sprintf(`{"name":"A %s","price":{"amount":%d,"currency":"EUR"}}`, sku, price),
	}
}

func (w *world) stocking(sku string, delta int) *request {
	return &request{
		service: "inventory", method: "POST", path: "/products/" + sku + "/stock", key: w.newKey(), what: fmt.Sprintf("changes %s by %d", sku, delta),
		body: fmt.Sprintf(`{"delta":%d,"reason":"count"}`, delta),
	}
}
