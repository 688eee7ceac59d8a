package payments

import (
	"context"
	"errors"
	"net/http"

	"troupe/patterns/audit"
	"troupe/patterns/idempotency"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Get(api, "/payments", s.listPayments, httpapi.Summary("List your payments, or show an order's"))
	httpapi.Get(api, "/payments/{id}", s.getPayment, httpapi.Summary("Show a payment"))
	httpapi.Get(api, "/payments/reconciliation", s.getReconciliation, httpapi.RequireRole(auth.Admin),
		httpapi.Summary("Compare all payments with the provider's books"))
	httpapi.Post(api, "/payments/{id}/refund", s.refundPayment, httpapi.RequireRole(auth.Admin),
		httpapi.Status(http.StatusAccepted), httpapi.Summary("Give a captured payment back"))
}

type paymentView struct {
	ID         string          `json:"id"`
	OrderID    string          `json:"order_id"`
	Amount     money.Money     `json:"amount"`
	State      string          `json:"state" enum:"pending,authorized,declined,captured,capture_failed,voided,refunded" doc:"What the provider has certainly done with the money"`
	Code       string          `json:"code,omitempty" doc:"Why it was declined or not captured" example:"insufficient_funds"`
	Method     string          `json:"method,omitempty" example:"pm_card_visa"`
	Operations []operationView `json:"operations" doc:"What the provider was asked to do, oldest first"`
	CreatedAt  timestamp.Time  `json:"created_at"`
}

type operationView struct {
	Kind     string         `json:"kind" enum:"auth,capture,void,refund"`
	Outcome  string         `json:"outcome" enum:"due,unknown,succeeded,refused,dropped" doc:"unknown until the outcome at the provider is certain"`
	Attempts int            `json:"attempts" doc:"Calls to the provider, including those that only asked for the outcome"`
	Code     string         `json:"code,omitempty" doc:"The code with which the provider refused it"`
	NextTry  timestamp.Time `json:"next_try,omitzero"`
}

func viewOf(p *payment.Payment) paymentView {
	v := paymentView{
		ID: p.ID, OrderID: p.OrderID, Amount: p.Amount, State: string(p.State), Code: p.Code, Method: p.Method,
		Operations: make([]operationView, len(p.Operations)), CreatedAt: timestamp.Of(p.CreatedAt),
	}
	for i, o := range p.Operations {
		v.Operations[i] = operationView{Kind: string(o.Kind), Outcome: string(o.Status), Attempts: o.Attempts, Code: o.Code, NextTry: timestamp.Of(o.DueAt)}
	}
	return v
}

type listPaymentsRequest struct {
	httpapi.PageQuery
	OrderID string `query:"order_id" maxLength:"100" doc:"Only the payment of this order"`
}

type paymentsResponse struct {
	Body httpapi.Page[paymentView]
}

func (s *service) listPayments(ctx context.Context, in *listPaymentsRequest) (*paymentsResponse, error) {
	caller := auth.CallerOf(ctx)
	if in.OrderID != "" {
		return s.paymentOfOrder(ctx, caller, in.OrderID)
	}
	before, err := in.After()
	if err != nil {
		return nil, err
	}
	payments, err := store.OfUser(ctx, s.DB, caller.UserID, before, in.Fetch())
	if err != nil {
		return nil, err
	}
	return &paymentsResponse{httpapi.PageOf(in.PageQuery, payments, func(p *payment.Payment) string { return p.ID }, viewOf)}, nil
}

func (s *service) paymentOfOrder(ctx context.Context, caller auth.Caller, orderID string) (*paymentsResponse, error) {
	found, err := store.OfOrders(ctx, s.DB, []string{orderID})
	if err != nil {
		return nil, err
	}
	page := httpapi.Page[paymentView]{Items: []paymentView{}}
	if p := found[orderID]; p != nil && mayRead(caller, p) {
		page.Items = append(page.Items, viewOf(p))
	}
	return &paymentsResponse{Body: page}, nil
}

// mayRead reports whether c may read p. Users may read their own payments only.
func mayRead(c auth.Caller, p *payment.Payment) bool {
	return c.Role == auth.Admin || c.UserID == p.UserID
}

type getPaymentRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type paymentResponse struct {
	Body paymentView
}

func (s *service) getPayment(ctx context.Context, in *getPaymentRequest) (*paymentResponse, error) {
	p, err := find(ctx, s.DB, in.ID)
	if err != nil {
		return nil, err
	}
	if !mayRead(auth.CallerOf(ctx), p) {
		return nil, missingPayment(in.ID)
	}
	return &paymentResponse{Body: viewOf(p)}, nil
}

// find returns a payment by id.
func find(ctx context.Context, q sqldb.Querier, id string) (*payment.Payment, error) {
	found, err := store.ByID(ctx, q, []string{id})
	if err != nil {
		return nil, err
	}
	if found[id] == nil {
		return nil, missingPayment(id)
	}
	return found[id], nil
}

// missingPayment is also the error for a payment that the caller may not read.
func missingPayment(id string) error {
	return fault.Missing("payment", id, "GET /payments lists yours")
}

type reconciliationResponse struct {
	Body report
}

func (s *service) getReconciliation(context.Context, *struct{}) (*reconciliationResponse, error) {
	return &reconciliationResponse{Body: s.auditor.report()}, nil
}

type refundPaymentRequest struct {
	ID             string `path:"id" maxLength:"100"`
	IdempotencyKey string `header:"Idempotency-Key" doc:"Repeat a request with the same key and it takes effect once"`
	Body           postRefundInBody
}

// postRefundInBody is named after its schema in the API document.
type postRefundInBody struct {
	Amount *money.Money `json:"amount,omitempty" doc:"The full amount; partial refunds are not possible"`
	Reason string       `json:"reason" minLength:"1" maxLength:"200" example:"arrived broken"`
}

// refundPayment starts a refund. The payment's state changes when the provider has
// made it.
func (s *service) refundPayment(ctx context.Context, in *refundPaymentRequest) (*paymentResponse, error) {
	request := idempotency.Request{
		Caller: auth.CallerOf(ctx).UserID, Operation: "POST /payments/" + in.ID + "/refund", Key: in.IdempotencyKey, Body: in.Body,
	}
	var view paymentView
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		view, _, err = idempotency.Once(ctx, tx, request, s.Now(), func() (paymentView, error) {
			return s.refund(ctx, tx, in.ID, in.Body.Amount, in.Body.Reason)
		})
		return err
	})
	if errors.Is(err, store.ErrLostRace) {
		err = fault.New(fault.Conflict, "payment_changed", "the payment was changed by another request at the same time; check its state and try again").WithCause(err)
	}
	if err != nil {
		return nil, err
	}
	return &paymentResponse{Body: view}, nil
}

func (s *service) refund(ctx context.Context, tx sqldb.Tx, id string, amount *money.Money, reason string) (paymentView, error) {
	p, err := find(ctx, tx, id)
	if err != nil {
		return paymentView{}, err
	}
	if amount != nil && *amount != p.Amount {
		return paymentView{}, fault.New(fault.Invalid, "partial_refund", "only the full amount, %s, can be refunded; leave out the field amount", p.Amount).
			WithField("body.amount", "must be the full amount")
	}
	if p.State != payment.Captured || p.Goal == payment.GoalUndo {
		return paymentView{}, fault.New(fault.Conflict, "payment_not_captured",
			"the payment is %s; only a captured payment that is not being refunded already can be refunded", p.State)
	}
	changes := changeset{left: true}
	changes.change(p, payment.Cause{}, func() { p.Apply(payment.Command{Kind: payment.RefundRequest, Reason: reason}, s.Now()) })
	if err := s.flush(ctx, tx, changes); err != nil {
		return paymentView{}, err
	}
	return viewOf(p), s.Audit.Record(ctx, tx, audit.Entry{Action: "refund_payment", Target: p.ID, Detail: p.Amount.String()})
}
