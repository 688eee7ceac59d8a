package payments

import (
	"context"
	"errors"
	"net/http"
	"time"

	"troupe/patterns/idempotency"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Get(api, "/payments", s.getPayments, httpapi.Summary("List your payments, or show an order's"))
	httpapi.Get(api, "/payments/{id}", s.getPayment, httpapi.Summary("Show a payment"))
	httpapi.Get(api, "/payments/reconciliation", s.getReconciliation, httpapi.RequireRole(auth.Admin),
		httpapi.Summary("Compare all payments with the provider's books"))
	httpapi.Post(api, "/payments/{id}/refund", s.postRefund, httpapi.RequireRole(auth.Admin),
		httpapi.Status(http.StatusAccepted), httpapi.Summary("Give a captured payment back"))
}

type paymentView struct {
	ID         string          `json:"id"`
	OrderID    string          `json:"order_id"`
	Amount     money.Money     `json:"amount"`
	State      string          `json:"state" enum:"pending,authorized,declined,captured,capture_failed,voided,refunded" doc:"What the provider has certainly done"`
	Code       string          `json:"code,omitempty" doc:"Why it was declined or not captured" example:"insufficient_funds"`
	Method     string          `json:"method,omitempty" example:"pm_card_visa"`
	Operations []operationView `json:"operations" doc:"What was asked of the provider, oldest first"`
	CreatedAt  time.Time       `json:"created_at"`
}

type operationView struct {
	Kind     string    `json:"kind" enum:"auth,capture,void,refund"`
	Outcome  string    `json:"outcome" enum:"due,unknown,succeeded,refused,dropped" doc:"unknown until the provider's answer is certain"`
	Attempts int       `json:"attempts" doc:"Calls, those that only asked included"`
	Code     string    `json:"code,omitempty" doc:"Why it was refused"`
	NextTry  time.Time `json:"next_try,omitzero"`
}

func viewOf(p *payment.Payment) paymentView {
	v := paymentView{
		ID: p.ID, OrderID: p.OrderID, Amount: p.Amount, State: string(p.State), Code: p.Code, Method: p.Method,
		Operations: make([]operationView, len(p.Operations)), CreatedAt: p.CreatedAt,
	}
	for i, o := range p.Operations {
		v.Operations[i] = operationView{Kind: string(o.Kind), Outcome: string(o.Status), Attempts: o.Attempts, Code: o.Code, NextTry: o.DueAt}
	}
	return v
}

type getPaymentsIn struct {
	httpapi.PageQuery
	OrderID string `query:"order_id" maxLength:"100" doc:"Only the payment of this order"`
}

type paymentsOut struct {
	Body httpapi.Page[paymentView]
}

func (s *service) getPayments(ctx context.Context, in *getPaymentsIn) (*paymentsOut, error) {
	caller, _ := auth.CallerFrom(ctx)
	if in.OrderID != "" {
		return s.paymentOfOrder(ctx, caller, in.OrderID)
	}
	before, err := in.After()
	if err != nil {
		return nil, err
	}
	payments, err := store.OfUser(ctx, s.db, caller.UserID, before, in.Fetch())
	if err != nil {
		return nil, err
	}
	return &paymentsOut{httpapi.PageOf(in.PageQuery, payments, func(p *payment.Payment) string { return p.ID }, viewOf)}, nil
}

func (s *service) paymentOfOrder(ctx context.Context, caller auth.Caller, orderID string) (*paymentsOut, error) {
	found, err := store.OfOrders(ctx, s.db, []string{orderID})
	if err != nil {
		return nil, err
	}
	page := httpapi.Page[paymentView]{Items: []paymentView{}}
	if p := found[orderID]; p != nil && maySee(caller, p) {
		page.Items = append(page.Items, viewOf(p))
	}
	return &paymentsOut{Body: page}, nil
}

func maySee(c auth.Caller, p *payment.Payment) bool {
	return c.Role == auth.Admin || c.UserID == p.UserID
}

type getPaymentIn struct {
	ID string `path:"id" maxLength:"100"`
}

type paymentOut struct {
	Body paymentView
}

func (s *service) getPayment(ctx context.Context, in *getPaymentIn) (*paymentOut, error) {
	caller, _ := auth.CallerFrom(ctx)
	p, err := find(ctx, s.db, in.ID)
	if err != nil {
		return nil, err
	}
	if !maySee(caller, p) {
		return nil, unknownPayment(in.ID)
	}
	return &paymentOut{Body: viewOf(p)}, nil
}

func find(ctx context.Context, q sqldb.Querier, id string) (*payment.Payment, error) {
	found, err := store.ByID(ctx, q, []string{id})
	if err != nil {
		return nil, err
	}
	if found[id] == nil {
		return nil, unknownPayment(id)
	}
	return found[id], nil
}

func unknownPayment(id string) error {
	return fault.New(fault.NotFound, "payment_unknown", "there is no payment %s of yours; GET /payments lists them", id)
}

type reconciliationOut struct {
	Body report
}

func (s *service) getReconciliation(context.Context, *struct{}) (*reconciliationOut, error) {
	return &reconciliationOut{Body: s.auditor.report()}, nil
}

type postRefundIn struct {
	ID             string `path:"id" maxLength:"100"`
	IdempotencyKey string `header:"Idempotency-Key" doc:"Repeat a request with the same key and it takes effect once"`
	Body           struct {
		Amount *money.Money `json:"amount,omitempty" doc:"The whole amount; parts are not refunded"`
		Reason string       `json:"reason" minLength:"1" maxLength:"200" example:"arrived broken"`
	}
}

// postRefund has the money given back; the state tells when it was.
func (s *service) postRefund(ctx context.Context, in *postRefundIn) (*paymentOut, error) {
	caller, _ := auth.CallerFrom(ctx)
	request := idempotency.Request{
		Caller: caller.UserID, Operation: "POST /payments/" + in.ID + "/refund", Key: in.IdempotencyKey, Body: in.Body,
	}
	var view paymentView
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		view, _, err = idempotency.Once(ctx, tx, request, s.now(), func() (paymentView, error) {
			return s.refund(ctx, tx, in.ID, in.Body.Amount, in.Body.Reason)
		})
		return err
	})
	if errors.Is(err, store.ErrLostRace) {
		err = fault.New(fault.Conflict, "payment_changed", "the payment was changed at the same moment; look at it and try again").WithCause(err)
	}
	if err != nil {
		return nil, err
	}
	return &paymentOut{Body: view}, nil
}

func (s *service) refund(ctx context.Context, tx sqldb.Tx, id string, amount *money.Money, reason string) (paymentView, error) {
	p, err := find(ctx, tx, id)
	if err != nil {
		return paymentView{}, err
	}
	if amount != nil && *amount != p.Amount {
		return paymentView{}, fault.New(fault.Invalid, "partial_refund", "only the whole %s can be refunded; leave amount out", p.Amount).
			WithField("body.amount", "must be the whole amount")
	}
	if p.State != payment.Captured || p.Goal == payment.Undo {
		return paymentView{}, fault.New(fault.Conflict, "payment_not_captured",
			"the payment is %s; only captured money that is not being refunded already can be refunded", p.State)
	}
	var c changes
	c.apply(p, payment.Cause{}, func(p *payment.Payment) { p.Undo(reason, s.now()) })
	return viewOf(p), s.commit(ctx, tx, c)
}
