package orders

import (
	"context"
	"net/http"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/money"
	"troupe/platform/timestamp"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Post(api, "/orders", s.placeOrder, httpapi.Status(http.StatusCreated), httpapi.Summary("Place an order"),
		httpapi.BodyLimit(32<<10), httpapi.Admit(s.admit), httpapi.Example(exampleOrder),
		httpapi.Description("The prices are those of the server. The response comes before stock and payment are known: the order is pending, "+
			"and confirmed or cancelled soon after, by its deadline at the latest. Poll it, or open its stream."))
	httpapi.Get(api, "/orders", s.listOrders, httpapi.Summary("List orders, newest first"))
	httpapi.Get(api, "/orders/{id}", s.getOrder, httpapi.Summary("Show an order"))
	s.serveStream(api)
	httpapi.Get(api, "/orders/{id}/timeline", s.getTimeline, httpapi.Summary("Show all that happened to an order"))
	httpapi.Post(api, "/orders/{id}/cancel", s.cancelOrder, httpapi.Summary("Cancel an order that has not been shipped"),
		httpapi.Description("Its stock is released, and what was authorized or charged is given back."))
	httpapi.Post(api, "/orders/{id}/ship", s.shipOrder, httpapi.RequireRole(auth.Admin), httpapi.Summary("Ship a paid order"))
	httpapi.Post(api, "/orders/{id}/deliver", s.deliverOrder, httpapi.RequireRole(auth.Admin), httpapi.Summary("Say that an order has arrived"))
}

// address is a postal address. Its members are those of order.Address.
type address struct {
	Name       string `json:"name" minLength:"1" maxLength:"200" example:"Ada Lovelace"`
	Company    string `json:"company,omitempty" maxLength:"200"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200" example:"12 St James's Square"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" required:"false" maxLength:"100" example:"London" doc:"Required where addresses have a city"`
	State      string `json:"state,omitempty" maxLength:"100" doc:"State, province or prefecture, where the country's addresses have one"`
	PostalCode string `json:"postal_code" required:"false" maxLength:"20" example:"SW1Y 4JH" doc:"Required where the country's addresses have one"`
	Country    string `json:"country" minLength:"1" maxLength:"60" example:"GB" doc:"ISO 3166-1 code of two letters, in either case; stored in capitals"`
	Phone      string `json:"phone,omitempty" maxLength:"40" pattern:"^[0-9+() ./x-]*$" patternDescription:"digits, blanks and + ( ) . / x -" example:"+44 20 7946 0000" doc:"For the carrier"`
}

// item is what a customer requests of one product.
type item struct {
	SKU      string `json:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" patternDescription:"1 to 64 letters, digits, dots, dashes or underscores" example:"programme"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"1000" example:"2"`
}

// orderRequest is the body of placeOrderRequest.
type orderRequest struct {
	Items           []item   `json:"items" minItems:"1" maxItems:"100" doc:"Each product once"`
	PaymentMethod   string   `json:"payment_method" pattern:"^pm_[A-Za-z0-9_]{1,64}$" patternDescription:"a payment provider's token, such as pm_card_visa" example:"pm_card_visa"`
	ShippingAddress *address `json:"shipping_address,omitempty"`
	// ExpectedTotal is the total that the customer has seen.
	ExpectedTotal *money.Money `json:"expected_total,omitempty" doc:"The total that the customer was shown: if prices have changed, the order is refused with 409 price_changed. Without it, the order is placed at the present prices"`
}

// exampleOrder can be placed as it is, for a product of the sample catalogue.
var exampleOrder = orderRequest{
	Items: []item{{SKU: "programme", Quantity: 2}}, PaymentMethod: "pm_card_visa",
	ShippingAddress: &address{
		Name: "Ada Lovelace", Line1: "12 St James's Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB", Phone: "+44 20 7946 0000",
	},
}

type placeOrderRequest struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"A repetition with the same key and body gets the first answer"`
	Body orderRequest
}

// orderLine is a line of an order.
type orderLine struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
	LineTotal money.Money `json:"line_total"`
}

type orderView struct {
	ID              string         `json:"id" format:"uuid"`
	UserID          string         `json:"user_id"`
	Status          string         `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	PaymentState    string         `json:"payment_state" enum:"none,authorized,captured,declined,voided,refunded,unknown" doc:"unknown: the order is cancelled, but the provider has not answered yet"`
	StockState      string         `json:"stock_state" enum:"none,reserved,rejected,committed,released"`
	Items           []orderLine    `json:"items"`
	Total           money.Money    `json:"total"`
	CancelReason    string         `json:"cancel_reason,omitempty" enum:"stock_rejected,payment_declined,deadline,customer,admin,capture_failed"`
	ShippingAddress *address       `json:"shipping_address,omitempty"`
	CreatedAt       timestamp.Time `json:"created_at"`
	UpdatedAt       timestamp.Time `json:"updated_at"`
	DeadlineAt      timestamp.Time `json:"deadline_at" doc:"A pending order is cancelled if stock is not reserved and payment not authorized by then. It has more time if the system itself was the cause of a delay"`
	Version         int64          `json:"version"`
}

type orderResponse struct{ Body orderView }

type placedOrderResponse struct {
	Location string `header:"Location"`
	Body     orderView
}

func (s *service) placeOrder(ctx context.Context, in *placeOrderRequest) (*placedOrderResponse, error) {
	view, err := s.place(ctx, in.Body.placeFor(auth.CallerOf(ctx)), in.Key, in.Body)
	if err != nil {
		s.backlog.Withdraw() // it was admitted, and is not part of the backlog
		return nil, err
	}
	return &placedOrderResponse{Location: "/orders/" + view.ID, Body: view}, nil
}

func (r orderRequest) placeFor(c auth.Caller) order.PlaceOrder {
	p := order.PlaceOrder{UserID: c.UserID, PaymentMethod: r.PaymentMethod, Items: make([]order.Item, len(r.Items)), Expected: r.ExpectedTotal}
	for i, it := range r.Items {
		p.Items[i] = order.Item(it)
	}
	if r.ShippingAddress != nil {
		to := order.Address(*r.ShippingAddress)
		p.ShipTo = &to
	}
	return p
}

type listOrdersRequest struct {
	httpapi.PageQuery
	Status string `query:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	UserID string `query:"user_id" doc:"For admins: only this user's orders"`
}

type ordersResponse struct{ Body httpapi.Page[orderView] }

func (s *service) listOrders(ctx context.Context, in *listOrdersRequest) (*ordersResponse, error) {
	filter, err := in.filter(ctx)
	if err != nil {
		return nil, err
	}
	orders, err := store.List(ctx, s.DB, filter)
	if err != nil {
		return nil, err
	}
	return &ordersResponse{httpapi.PageOf(in.PageQuery, orders, func(o *order.Order) string { return o.ID }, viewOf)}, nil
}

func (in *listOrdersRequest) filter(ctx context.Context) (store.Filter, error) {
	caller := auth.CallerOf(ctx)
	if caller.Role != auth.Admin && in.UserID != "" && in.UserID != caller.UserID {
		return store.Filter{}, fault.New(fault.Forbidden, "not_your_orders", "only an admin may list the orders of others; leave user_id out")
	}
	before, err := in.After()
	f := store.Filter{UserID: in.UserID, Status: order.Status(in.Status), Before: before, Limit: in.Fetch()}
	if caller.Role != auth.Admin {
		f.UserID = caller.UserID
	}
	return f, err
}

type getOrderRequest struct {
	ID string `path:"id" doc:"The order's id"`
}

func (s *service) getOrder(ctx context.Context, in *getOrderRequest) (*orderResponse, error) {
	o, err := s.readable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &orderResponse{Body: viewOf(o)}, nil
}

// readable returns the order with the id if the caller may see it.
func (s *service) readable(ctx context.Context, id string) (*order.Order, error) {
	o, err := store.Get(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	if !mayRead(auth.CallerOf(ctx), o) {
		return nil, store.Missing(id)
	}
	return o, nil
}

type timelineEntry struct {
	At          timestamp.Time `json:"at"`
	What        string         `json:"what" doc:"The type of the event" example:"payment.authorized.v1"`
	By          string         `json:"by" doc:"Who published it: a service, the customer or an admin" example:"payments"`
	Detail      string         `json:"detail" doc:"A sentence for people. Its wording may change; programs should look at what" example:"Payment authorized: 25.98 EUR"`
	EventID     string         `json:"event_id" doc:"The id of the event"`
	CausationID string         `json:"causation_id,omitempty" doc:"The id of the event that caused this one"`
}

type timelineResponse struct{ Body timelineOutputBody }

// timelineOutputBody is named after its schema in the API document.
type timelineOutputBody struct {
	Items []timelineEntry `json:"items" doc:"Oldest first; none if the order was finished longer ago than timelines are kept"`
}

func (s *service) getTimeline(ctx context.Context, in *getOrderRequest) (*timelineResponse, error) {
	o, err := s.readable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	entries, err := store.Timeline(ctx, s.DB, o.ID)
	if err != nil {
		return nil, err
	}
	out := &timelineResponse{}
	out.Body.Items = make([]timelineEntry, len(entries))
	for i, e := range entries {
		out.Body.Items[i] = timelineEntry{At: timestamp.Of(e.At), What: e.Type, By: e.By, Detail: e.Detail, EventID: e.EventID, CausationID: e.Cause}
	}
	return out, nil
}

type changeOrderRequest struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"A repetition with the same key gets the first answer"`
	ID  string `path:"id" doc:"The order's id"`
}

func (s *service) cancelOrder(ctx context.Context, in *changeOrderRequest) (*orderResponse, error) {
	return orderResponseOf(s.cancel(ctx, auth.CallerOf(ctx), in.ID, in.Key))
}

func (s *service) shipOrder(ctx context.Context, in *changeOrderRequest) (*orderResponse, error) {
	return orderResponseOf(s.ship(ctx, auth.CallerOf(ctx), in.ID, in.Key))
}

func (s *service) deliverOrder(ctx context.Context, in *changeOrderRequest) (*orderResponse, error) {
	return orderResponseOf(s.deliver(ctx, auth.CallerOf(ctx), in.ID, in.Key))
}

func orderResponseOf(view orderView, err error) (*orderResponse, error) {
	if err != nil {
		return nil, err
	}
	return &orderResponse{Body: view}, nil
}

func viewOf(o *order.Order) orderView {
	v := orderView{
		ID: o.ID, UserID: o.UserID, Status: string(o.Status), PaymentState: string(o.PaymentState()),
		StockState: string(o.StockState()), Items: make([]orderLine, len(o.Lines)), Total: o.Total,
		CancelReason: string(o.Reason), CreatedAt: timestamp.Of(o.CreatedAt), UpdatedAt: timestamp.Of(o.UpdatedAt),
		DeadlineAt: timestamp.Of(o.Deadline), Version: o.Version,
	}
	for i, l := range o.Lines {
		total, _ := l.Total() // it was computed without an error when the order was placed
		v.Items[i] = orderLine{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: l.UnitPrice, LineTotal: total}
	}
	v.setAddress(o.ShipTo)
	return v
}

// storableViewOf returns the view without the address. It is what an idempotency key
// stores: keys outlive the order's address when the customer's account is deleted.
func storableViewOf(o *order.Order) orderView {
	v := viewOf(o)
	v.setAddress(nil)
	return v
}

func (v *orderView) setAddress(a *order.Address) {
	v.ShippingAddress = nil
	if a != nil {
		to := address(*a)
		v.ShippingAddress = &to
	}
}
