package orders

import (
	"context"
	"net/http"
	"time"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/money"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Post(api, "/orders", s.postOrder, httpapi.Status(http.StatusCreated), httpapi.Summary("Place an order"))
	httpapi.Get(api, "/orders", s.getOrders, httpapi.Summary("List orders, newest first"))
	httpapi.Get(api, "/orders/{id}", s.getOrder, httpapi.Summary("Show an order"))
	httpapi.Get(api, "/orders/{id}/timeline", s.getTimeline, httpapi.Summary("Show all that happened to an order"))
	httpapi.Post(api, "/orders/{id}/cancel", verb(s.cancel), httpapi.Summary("Cancel an order that has not been shipped"))
	httpapi.Post(api, "/orders/{id}/ship", verb(s.ship), httpapi.RequireRole(auth.Admin), httpapi.Summary("Ship a paid order"))
	httpapi.Post(api, "/orders/{id}/deliver", verb(s.deliver), httpapi.RequireRole(auth.Admin), httpapi.Summary("Say that an order has arrived"))
}

type address struct {
	Name       string `json:"name" minLength:"1" maxLength:"200" pattern:"\\S" example:"Ada Lovelace"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200" pattern:"\\S" example:"12 St James's Square"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" minLength:"1" maxLength:"100" pattern:"\\S" example:"London"`
	PostalCode string `json:"postal_code" minLength:"1" maxLength:"20" pattern:"\\S" example:"SW1Y 4JH"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$" patternDescription:"an ISO 3166-1 code of two capitals" example:"GB"`
}

type item struct {
	SKU      string `json:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" patternDescription:"1 to 64 letters, digits, dots, dashes or underscores" example:"programme"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"1000" example:"2"`
}

type orderRequest struct {
	Items           []item   `json:"items" minItems:"1" maxItems:"100" doc:"Each product once"`
	PaymentMethod   string   `json:"payment_method" pattern:"^pm_[A-Za-z0-9_]{1,64}$" patternDescription:"a payment provider's token, such as pm_card_visa" example:"pm_card_visa"`
	ShippingAddress *address `json:"shipping_address,omitempty"`
}

type postOrderInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"A repetition with the same key and body gets the first answer"`
	Body orderRequest
}

type orderLine struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
	LineTotal money.Money `json:"line_total"`
}

type orderView struct {
	ID              string      `json:"id" format:"uuid"`
	UserID          string      `json:"user_id"`
	Status          string      `json:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	PaymentState    string      `json:"payment_state" enum:"none,authorized,captured,declined,voided,refunded,unknown" doc:"unknown: the order is off, but the provider's answer is still open"`
	StockState      string      `json:"stock_state" enum:"none,reserved,rejected,committed,released"`
	Items           []orderLine `json:"items"`
	Total           money.Money `json:"total"`
	CancelReason    string      `json:"cancel_reason,omitempty" enum:"stock_rejected,payment_declined,deadline,customer,admin,capture_failed"`
	ShippingAddress *address    `json:"shipping_address,omitempty"`
	CreatedAt       time.Time   `json:"created_at"`
	UpdatedAt       time.Time   `json:"updated_at"`
	DeadlineAt      time.Time   `json:"deadline_at" doc:"A pending order is cancelled if stock and payment are not agreed by then"`
	Version         int64       `json:"version"`
}

type orderOutput struct{ Body orderView }

type placedOutput struct {
	Location string `header:"Location"`
	Body     orderView
}

func (s *service) postOrder(ctx context.Context, in *postOrderInput) (*placedOutput, error) {
	caller, _ := auth.CallerFrom(ctx)
	view, err := s.place(ctx, in.Body.wishOf(caller), in.Key, in.Body)
	if err != nil {
		return nil, err
	}
	return &placedOutput{Location: "/orders/" + view.ID, Body: view}, nil
}

func (r orderRequest) wishOf(c auth.Caller) order.Wish {
	w := order.Wish{UserID: c.UserID, PaymentMethod: r.PaymentMethod, Items: make([]order.Item, len(r.Items))}
	for i, it := range r.Items {
		w.Items[i] = order.Item(it)
	}
	if r.ShippingAddress != nil {
		to := order.Address(*r.ShippingAddress)
		w.ShipTo = &to
	}
	return w
}

type listInput struct {
	httpapi.PageQuery
	Status string `query:"status" enum:"pending,confirmed,shipped,delivered,cancelled"`
	UserID string `query:"user_id" doc:"For admins: only this user's orders"`
}

type listOutput struct{ Body httpapi.Page[orderView] }

func (s *service) getOrders(ctx context.Context, in *listInput) (*listOutput, error) {
	filter, err := in.filter(ctx)
	if err != nil {
		return nil, err
	}
	orders, err := store.List(ctx, s.db, filter)
	if err != nil {
		return nil, err
	}
	return &listOutput{httpapi.PageOf(in.PageQuery, orders, func(o *order.Order) string { return o.ID }, viewOf)}, nil
}

func (in *listInput) filter(ctx context.Context) (store.Filter, error) {
	caller, _ := auth.CallerFrom(ctx)
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

type idInput struct {
	ID string `path:"id" doc:"The order's id"`
}

func (s *service) getOrder(ctx context.Context, in *idInput) (*orderOutput, error) {
	o, err := s.readable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &orderOutput{Body: viewOf(o)}, nil
}

// readable reads an order that is the caller's business.
func (s *service) readable(ctx context.Context, id string) (*order.Order, error) {
	caller, _ := auth.CallerFrom(ctx)
	o, err := store.Get(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	if !mayRead(caller, o) {
		return nil, store.NoOrder()
	}
	return o, nil
}

type timelineEntry struct {
	At          time.Time `json:"at"`
	What        string    `json:"what" doc:"The type of the event that was heard or said" example:"payment.authorized.v1"`
	By          string    `json:"by" doc:"The service, or customer, or admin" example:"payments"`
	Detail      string    `json:"detail" example:"25.98 EUR authorised."`
	EventID     string    `json:"event_id" doc:"The event that was heard or said"`
	CausationID string    `json:"causation_id,omitempty" doc:"The event that led to this"`
}

type timelineOutput struct {
	Body struct {
		Items []timelineEntry `json:"items" doc:"Oldest first"`
	}
}

func (s *service) getTimeline(ctx context.Context, in *idInput) (*timelineOutput, error) {
	o, err := s.readable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	entries, err := store.Timeline(ctx, s.db, o.ID)
	if err != nil {
		return nil, err
	}
	out := &timelineOutput{}
	out.Body.Items = make([]timelineEntry, len(entries))
	for i, e := range entries {
		out.Body.Items[i] = timelineEntry{At: e.At, What: e.What, By: e.Who, Detail: e.Detail, EventID: e.ID, CausationID: e.Cause}
	}
	return out, nil
}

type verbInput struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"A repetition with the same key gets the first answer"`
	ID  string `path:"id" doc:"The order's id"`
}

// verb makes an operation of a use case that changes one order.
func verb(do func(context.Context, auth.Caller, string, string) (orderView, error)) func(context.Context, *verbInput) (*orderOutput, error) {
	return func(ctx context.Context, in *verbInput) (*orderOutput, error) {
		caller, _ := auth.CallerFrom(ctx)
		view, err := do(ctx, caller, in.ID, in.Key)
		if err != nil {
			return nil, err
		}
		return &orderOutput{Body: view}, nil
	}
}

func viewOf(o *order.Order) orderView {
	v := orderView{
		ID: o.ID, UserID: o.UserID, Status: string(o.Status), PaymentState: string(o.PaymentState()),
		StockState: string(o.StockState()), Items: make([]orderLine, len(o.Lines)), Total: o.Total,
		CancelReason: string(o.Reason), CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
		DeadlineAt: o.Deadline, Version: o.Version,
	}
	for i, l := range o.Lines {
		total, _ := l.Total() // it was reckoned when the order was placed
		v.Items[i] = orderLine{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, UnitPrice: l.UnitPrice, LineTotal: total}
	}
	if o.ShipTo != nil {
		to := address(*o.ShipTo)
		v.ShippingAddress = &to
	}
	return v
}
