package notifications

import (
	"context"
	"slices"
	"strings"

	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

var errNotRetryable = fault.New(fault.Conflict, "delivery_not_retryable",
	"only a rejected, expired, bounced or unknown delivery can be retried; GET /deliveries/{id} shows the state of this one")

func missingDelivery(id string) error {
	return fault.Missing("delivery", id, "GET /deliveries lists all")
}

// deliveryView is the JSON of a delivery.
type deliveryView struct {
	ID        string         `json:"id"`
	EventID   string         `json:"event_id"`
	Kind      string         `json:"kind"`
	Channel   string         `json:"channel"`
	WebhookID string         `json:"webhook_id,omitempty" doc:"To which webhook; only of the channel webhook"`
	UserID    string         `json:"user_id,omitempty"`
	OrderID   string         `json:"order_id,omitempty"`
	State     string         `json:"state"`
	Attempts  int            `json:"attempts"`
	Reply     string         `json:"reply,omitempty" doc:"How the last attempt ended"`
	About     string         `json:"about,omitempty" doc:"What the last refusal was about: mailbox, content, helo, login, sender, relay, limit, policy, server or domain. Only one about the mailbox ends a mail"`
	NextAt    timestamp.Time `json:"next_at,omitzero" doc:"Time of the next attempt; absent if there is none"`
	CreatedAt timestamp.Time `json:"created_at"`
	UpdatedAt timestamp.Time `json:"updated_at"`
	Log       []attemptView  `json:"log,omitempty" doc:"All attempts; only in the response about one delivery"`
}

type attemptView struct {
	N       int            `json:"n"`
	Phase   string         `json:"phase" doc:"How far the attempt got: connect, mail, rcpt, body or dot of a mail; post of a push or webhook"`
	State   string         `json:"state"`
	Reply   string         `json:"reply,omitempty"`
	EndedAt timestamp.Time `json:"ended_at"`
}

type listDeliveriesRequest struct {
	httpapi.PageQuery
	Channel string `query:"channel" enum:"email,push,webhook"`
	Kind    string `query:"kind" maxLength:"100" doc:"What it is about, such as order.paid; for webhooks the type of the event, such as order.paid.v1"`
	UserID  string `query:"user_id" maxLength:"100" doc:"Not of the channel webhook"`
	OrderID string `query:"order_id" maxLength:"100"`
	State   string `query:"state" enum:"queued,waiting,sending,sent,deferred,unknown,rejected,expired,suppressed,superseded,bounced,complained"`
}

type deliveriesResponse struct{ Body httpapi.Page[deliveryView] }

type getDeliveryRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type retryDeliveryRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type deliveryResponse struct{ Body deliveryView }

// serveDeliveries adds the operations with which an operator examines and retries mails,
// pushes and deliveries to webhooks.
func (s *service) serveDeliveries(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/deliveries", s.listDeliveries, admin, httpapi.Summary("List deliveries, newest first"))
	httpapi.Get(api, "/deliveries/{id}", s.getDelivery, admin, httpapi.Summary("Show a delivery and its attempts"))
	httpapi.Post(api, "/deliveries/{id}/retry", s.retryDelivery, admin, httpapi.Summary("Try a failed delivery again"))
	s.serveDesk(api)
}

func (s *service) listDeliveries(ctx context.Context, r *listDeliveriesRequest) (*deliveriesResponse, error) {
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	views, err := s.deliveryViews(ctx, r, before)
	if err != nil {
		return nil, err
	}
	asIs := func(v deliveryView) deliveryView { return v }
	return &deliveriesResponse{httpapi.PageOf(r.PageQuery, views, func(v deliveryView) string { return v.ID }, asIs)}, nil
}

// deliveryViews returns the deliveries of all channels that the request selects and that
// are older than the one with the id before, newest first.
func (s *service) deliveryViews(ctx context.Context, r *listDeliveriesRequest, before string) ([]deliveryView, error) {
	var views []deliveryView
	if r.Channel != channelWebhook {
		list, err := store.Deliveries(ctx, s.DB, store.Filter{
			Channel: r.Channel, Kind: r.Kind, UserID: r.UserID, OrderID: r.OrderID, State: delivery.State(r.State), Before: before,
		}, r.Fetch())
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			views = append(views, viewOf(d))
		}
	}
	if r.UserID == "" && (r.Channel == "" || r.Channel == channelWebhook) {
		list, err := store.WebhookDeliveries(ctx, s.DB, store.WebhookFilter{
			EventType: r.Kind, OrderID: r.OrderID, State: delivery.State(r.State), Before: before,
		}, r.Fetch())
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			views = append(views, viewAsDelivery(d))
		}
	}
	slices.SortFunc(views, func(a, b deliveryView) int { return strings.Compare(b.ID, a.ID) })
	return views[:min(len(views), r.Fetch())], nil
}

func (s *service) getDelivery(ctx context.Context, r *getDeliveryRequest) (*deliveryResponse, error) {
	d, found, err := store.FindDelivery(ctx, s.DB, r.ID)
	if err != nil {
		return nil, err
	}
	if !found {
		return s.getAsDelivery(ctx, r.ID)
	}
	attempts, err := store.Attempts(ctx, s.DB, r.ID)
	if err != nil {
		return nil, err
	}
	view := viewOf(d)
	for _, a := range attempts {
		view.Log = append(view.Log, attemptView{N: a.N, Phase: string(a.Phase), State: string(a.State), Reply: a.Reply, EndedAt: timestamp.Of(a.EndedAt)})
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
			return s.replayByID(ctx, tx, r.ID)
		}
		if !d.State.Retryable() {
			return errNotRetryable
		}
		tx.OnCommit(s.wakeSenders)
		queued, err := store.Retry(ctx, tx, r.ID, d.State, s.Now())
		if err == nil && !queued {
			err = errNotRetryable
		}
		if err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "retry_delivery", Target: r.ID})
	})
	if err != nil {
		return nil, err
	}
	return s.getDelivery(ctx, &getDeliveryRequest{r.ID})
}

func viewOf(d store.Delivery) deliveryView {
	return deliveryView{
		ID: d.ID, EventID: d.EventID, Kind: d.Kind, Channel: d.Channel, UserID: d.UserID, OrderID: d.OrderID,
		State: string(d.State), Attempts: d.Attempts, Reply: d.Reply, About: string(d.About), NextAt: timestamp.Of(d.NextAt),
		CreatedAt: timestamp.Of(d.CreatedAt), UpdatedAt: timestamp.Of(d.UpdatedAt),
	}
}
