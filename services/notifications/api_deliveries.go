package notifications

import (
	"context"
	"time"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

var errNotRetryable = fault.New(fault.Conflict, "delivery_not_retryable",
	"only a rejected, expired or unknown delivery can be retried; GET /deliveries/{id} shows the state of this one")

func missingDelivery(id string) error {
	return fault.Missing("delivery", id, "GET /deliveries lists all")
}

// deliveryView is the JSON of a delivery.
type deliveryView struct {
	ID        string        `json:"id"`
	EventID   string        `json:"event_id"`
	Kind      string        `json:"kind"`
	Channel   string        `json:"channel"`
	UserID    string        `json:"user_id"`
	OrderID   string        `json:"order_id,omitempty"`
	State     string        `json:"state"`
	Attempts  int           `json:"attempts"`
	Reply     string        `json:"reply,omitempty" doc:"How the last attempt ended"`
	NextAt    time.Time     `json:"next_at,omitzero" doc:"Time of the next attempt; absent if there is none"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	Log       []attemptView `json:"log,omitempty" doc:"All attempts; only in the response about one delivery"`
}

type attemptView struct {
	N       int       `json:"n"`
	Phase   string    `json:"phase" doc:"How far the attempt got: connect, mail, rcpt, body or dot"`
	State   string    `json:"state"`
	Reply   string    `json:"reply,omitempty"`
	EndedAt time.Time `json:"ended_at"`
}

type listDeliveriesRequest struct {
	httpapi.PageQuery
	OrderID string `query:"order_id" maxLength:"100"`
	State   string `query:"state" enum:"queued,waiting,sending,sent,deferred,unknown,rejected,expired,suppressed"`
}

type deliveriesResponse struct{ Body httpapi.Page[deliveryView] }

type getDeliveryRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type retryDeliveryRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type deliveryResponse struct{ Body deliveryView }

// serveDeliveries adds the operations with which an operator examines and retries mails.
func (s *service) serveDeliveries(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/deliveries", s.listDeliveries, admin, httpapi.Summary("List deliveries, newest first"))
	httpapi.Get(api, "/deliveries/{id}", s.getDelivery, admin, httpapi.Summary("Show a delivery and its attempts"))
	httpapi.Post(api, "/deliveries/{id}/retry", s.retryDelivery, admin, httpapi.Summary("Try a failed delivery again"))
}

func (s *service) listDeliveries(ctx context.Context, r *listDeliveriesRequest) (*deliveriesResponse, error) {
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	filter := store.Filter{OrderID: r.OrderID, State: delivery.State(r.State), Before: before}
	deliveries, err := store.Deliveries(ctx, s.DB, filter, r.Fetch())
	if err != nil {
		return nil, err
	}
	return &deliveriesResponse{httpapi.PageOf(r.PageQuery, deliveries, func(d store.Delivery) string { return d.ID }, viewOf)}, nil
}

func (s *service) getDelivery(ctx context.Context, r *getDeliveryRequest) (*deliveryResponse, error) {
	d, found, err := store.FindDelivery(ctx, s.DB, r.ID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, missingDelivery(r.ID)
	}
	attempts, err := store.Attempts(ctx, s.DB, r.ID)
	if err != nil {
		return nil, err
	}
	view := viewOf(d)
	for _, a := range attempts {
		view.Log = append(view.Log, attemptView{N: a.N, Phase: string(a.Phase), State: string(a.State), Reply: a.Reply, EndedAt: a.EndedAt})
	}
	return &deliveryResponse{view}, nil
}

func (s *service) retryDelivery(ctx context.Context, r *retryDeliveryRequest) (*deliveryResponse, error) {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		d, found, err := store.FindDelivery(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if !found {
			return missingDelivery(r.ID)
		}
		if !d.State.Retryable() {
			return errNotRetryable
		}
		tx.OnCommit(s.due.Notify)
		queued, err := store.Retry(ctx, tx, r.ID, d.State, s.Now())
		if err == nil && !queued {
			err = errNotRetryable
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.getDelivery(ctx, &getDeliveryRequest{r.ID})
}

func viewOf(d store.Delivery) deliveryView {
	return deliveryView{
		ID: d.ID, EventID: d.EventID, Kind: d.Kind, Channel: d.Channel, UserID: d.UserID, OrderID: d.OrderID,
		State: string(d.State), Attempts: d.Attempts, Reply: d.Reply, NextAt: d.NextAt,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
}
