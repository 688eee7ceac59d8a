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

var (
	errNoDelivery = fault.New(fault.NotFound, "delivery_unknown", "there is no such delivery; list them with GET /deliveries")
	errNotRetried = fault.New(fault.Conflict, "delivery_not_retryable", "only a rejected, expired or unknown delivery can be retried; this one is not")
)

// deliveryView is a delivery as an operator sees it.
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
	NextAt    time.Time     `json:"next_at,omitzero" doc:"When it is tried next; absent if it is not"`
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	Log       []attemptView `json:"log,omitempty" doc:"Every attempt; only when one delivery is asked for"`
}

type attemptView struct {
	N       int       `json:"n"`
	Phase   string    `json:"phase" doc:"How far it got: connect, mail, rcpt, body or dot"`
	State   string    `json:"state"`
	Reply   string    `json:"reply,omitempty"`
	EndedAt time.Time `json:"ended_at"`
}

type deliveriesRequest struct {
	httpapi.PageQuery
	OrderID string `query:"order_id" maxLength:"100"`
	State   string `query:"state" enum:"queued,waiting,sending,sent,deferred,unknown,rejected,expired,suppressed"`
}

type deliveriesReply struct{ Body httpapi.Page[deliveryView] }

type deliveryRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type deliveryReply struct{ Body deliveryView }

// serveDeliveries lets an operator see what became of a mail, and have it tried again.
func (s *service) serveDeliveries(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/deliveries", s.listDeliveries, admin, httpapi.Summary("List deliveries, newest first"))
	httpapi.Get(api, "/deliveries/{id}", s.showDelivery, admin, httpapi.Summary("Show a delivery and its attempts"))
	httpapi.Post(api, "/deliveries/{id}/retry", s.retryDelivery, admin, httpapi.Summary("Try a failed delivery again"))
}

func (s *service) listDeliveries(ctx context.Context, r *deliveriesRequest) (*deliveriesReply, error) {
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	filter := store.Filter{OrderID: r.OrderID, State: delivery.State(r.State), Before: before}
	deliveries, err := store.Deliveries(ctx, s.db, filter, r.Fetch())
	if err != nil {
		return nil, err
	}
	return &deliveriesReply{httpapi.PageOf(r.PageQuery, deliveries, func(d store.Delivery) string { return d.ID }, viewOf)}, nil
}

func (s *service) showDelivery(ctx context.Context, r *deliveryRequest) (*deliveryReply, error) {
	d, found, err := store.FindDelivery(ctx, s.db, r.ID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoDelivery
	}
	attempts, err := store.Attempts(ctx, s.db, r.ID)
	if err != nil {
		return nil, err
	}
	view := viewOf(d)
	for _, a := range attempts {
		view.Log = append(view.Log, attemptView{N: a.N, Phase: string(a.Phase), State: string(a.State), Reply: a.Reply, EndedAt: a.EndedAt})
	}
	return &deliveryReply{view}, nil
}

func (s *service) retryDelivery(ctx context.Context, r *deliveryRequest) (*deliveryReply, error) {
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		d, found, err := store.FindDelivery(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if !found {
			return errNoDelivery
		}
		if !d.State.Retryable() {
			return errNotRetried
		}
		tx.OnCommit(s.due.Notify)
		again, err := store.Retry(ctx, tx, r.ID, d.State, s.now())
		if err == nil && !again {
			err = errNotRetried
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.showDelivery(ctx, r)
}

func viewOf(d store.Delivery) deliveryView {
	return deliveryView{
		ID: d.ID, EventID: d.EventID, Kind: d.Kind, Channel: d.Channel, UserID: d.UserID, OrderID: d.OrderID,
		State: string(d.State), Attempts: d.Attempts, Reply: d.Reply, NextAt: d.NextAt,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
}
