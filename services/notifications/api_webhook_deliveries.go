package notifications

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

var errNotReplayable = fault.New(fault.Conflict, "delivery_not_replayable",
	"only a delivery that has ended, and whose event is still kept, can be sent again; GET /deliveries/{id} shows its state")

// webhookDeliveryView is the JSON of a delivery to a webhook.
type webhookDeliveryView struct {
	ID        string               `json:"id"`
	WebhookID string               `json:"webhook_id"`
	EventID   string               `json:"event_id"`
	EventType string               `json:"event_type"`
	OrderID   string               `json:"order_id,omitempty"`
	State     string               `json:"state" doc:"queued, sending, sent, deferred (waits for the next attempt), expired (given up after three days), rejected (410 Gone) or suppressed (the account was deleted)"`
	Attempts  int                  `json:"attempts"`
	Status    int                  `json:"status,omitempty" doc:"Of the last response; absent if there was none"`
	Reply     string               `json:"reply,omitempty" doc:"The beginning of the last response, or why there was none"`
	NextAt    timestamp.Time       `json:"next_at,omitzero" doc:"Time of the next attempt; absent if there is none"`
	CreatedAt timestamp.Time       `json:"created_at"`
	UpdatedAt timestamp.Time       `json:"updated_at"`
	Event     json.RawMessage      `json:"event,omitempty" doc:"What is sent; only in the response about one delivery, and only while it is kept"`
	Log       []webhookAttemptView `json:"log,omitempty" doc:"All attempts; only in the response about one delivery"`
}

type webhookAttemptView struct {
	N       int            `json:"n"`
	State   string         `json:"state"`
	Status  int            `json:"status,omitempty"`
	Reply   string         `json:"reply,omitempty"`
	TookMS  int64          `json:"took_ms"`
	EndedAt timestamp.Time `json:"ended_at"`
}

type listWebhookDeliveriesRequest struct {
	ID string `path:"id" maxLength:"100"`
	httpapi.PageQuery
	State     string `query:"state" enum:"queued,sending,sent,deferred,rejected,expired,suppressed"`
	EventType string `query:"event_type" maxLength:"100"`
	OrderID   string `query:"order_id" maxLength:"100"`
}

type webhookDeliveriesResponse struct {
	Body httpapi.Page[webhookDeliveryView]
}

type webhookDeliveryRequest struct {
	ID       string `path:"id" maxLength:"100"`
	Delivery string `path:"delivery" maxLength:"100"`
}

type webhookDeliveryResponse struct{ Body webhookDeliveryView }

type replayedCount struct {
	Replayed int `json:"replayed" doc:"How many deliveries are sent again"`
}

type replayedResponse struct{ Body replayedCount }

func (s *service) serveWebhookDeliveries(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Post(api, "/webhooks/{id}/test", s.testWebhook, admin, httpapi.Status(http.StatusAccepted), httpapi.Summary("Send a test event to a webhook"))
	httpapi.Get(api, "/webhooks/{id}/deliveries", s.listWebhookDeliveries, admin, httpapi.Summary("List the deliveries to a webhook, newest first"))
	httpapi.Get(api, "/webhooks/{id}/deliveries/{delivery}", s.getWebhookDelivery, admin, httpapi.Summary("Show a delivery to a webhook and its attempts"))
	httpapi.Post(api, "/webhooks/{id}/deliveries/{delivery}/replay", s.replayWebhookDelivery, admin, httpapi.Summary("Send an event to a webhook again"))
	httpapi.Post(api, "/webhooks/{id}/replay-failed", s.replayFailed, admin, httpapi.Summary("Send the failed events to a webhook again"))
}

// testWebhook queues an event that has no meaning.
func (s *service) testWebhook(ctx context.Context, r *webhookRequest) (*webhookDeliveryResponse, error) {
	var d store.WebhookDelivery
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		w, err := s.webhook(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if !w.Enabled {
			return errWebhookDisabled
		}
		e := event.Envelope{
			ID: s.NewID(), Source: "notifications", Type: webhookTestType, Time: s.Now(),
			Data: json.RawMessage(`{"webhook_id":` + strconv.Quote(w.ID) + `}`),
		}
		body, err := event.Encode(e)
		if err != nil {
			return err
		}
		d = s.deliveryTo(w, e, subject{}, string(body))
		d.State, d.NextAt, d.UpdatedAt = delivery.Queued, d.CreatedAt, d.CreatedAt
		tx.OnCommit(s.webhooks.due.Notify)
		if err := store.AddWebhookDeliveries(ctx, tx, []store.WebhookDelivery{d}); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "test_webhook", Target: w.ID})
	})
	return &webhookDeliveryResponse{viewOfWebhookDelivery(d)}, err
}

func (s *service) listWebhookDeliveries(ctx context.Context, r *listWebhookDeliveriesRequest) (*webhookDeliveriesResponse, error) {
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	if _, err := s.webhook(ctx, s.DB, r.ID); err != nil {
		return nil, err
	}
	list, err := store.WebhookDeliveries(ctx, s.DB, store.WebhookFilter{
		WebhookID: r.ID, OrderID: r.OrderID, State: delivery.State(r.State), EventType: r.EventType, Before: before,
	}, r.Fetch())
	if err != nil {
		return nil, err
	}
	return &webhookDeliveriesResponse{httpapi.PageOf(r.PageQuery, list, func(d store.WebhookDelivery) string { return d.ID }, viewOfWebhookDelivery)}, nil
}

// webhookDelivery returns a delivery to the webhook, or an error if there is none.
func (s *service) webhookDelivery(ctx context.Context, q sqldb.Querier, r *webhookDeliveryRequest) (store.WebhookDelivery, error) {
	d, found, err := store.FindWebhookDelivery(ctx, q, r.Delivery)
	if err == nil && (!found || d.WebhookID != r.ID) {
		err = fault.Missing("delivery", r.Delivery, "GET /webhooks/{id}/deliveries lists those of a webhook")
	}
	return d, err
}

func (s *service) getWebhookDelivery(ctx context.Context, r *webhookDeliveryRequest) (*webhookDeliveryResponse, error) {
	d, err := s.webhookDelivery(ctx, s.DB, r)
	if err != nil {
		return nil, err
	}
	attempts, err := store.WebhookAttempts(ctx, s.DB, d.ID)
	if err != nil {
		return nil, err
	}
	view := viewOfWebhookDelivery(d)
	if d.Body != "" {
		view.Event = json.RawMessage(d.Body)
	}
	for _, a := range attempts {
		view.Log = append(view.Log, webhookAttemptView{
			N: a.N, State: string(a.State), Status: a.Status, Reply: a.Reply, TookMS: a.Took.Milliseconds(), EndedAt: timestamp.Of(a.EndedAt),
		})
	}
	return &webhookDeliveryResponse{view}, nil
}

func viewOfWebhookDelivery(d store.WebhookDelivery) webhookDeliveryView {
	return webhookDeliveryView{
		ID: d.ID, WebhookID: d.WebhookID, EventID: d.EventID, EventType: d.EventType, OrderID: d.OrderID, State: string(d.State),
		Attempts: d.Attempts, Status: d.Status, Reply: d.Reply, NextAt: timestamp.Of(d.NextAt), CreatedAt: timestamp.Of(d.CreatedAt), UpdatedAt: timestamp.Of(d.UpdatedAt),
	}
}

func (s *service) replayWebhookDelivery(ctx context.Context, r *webhookDeliveryRequest) (*webhookDeliveryResponse, error) {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		d, err := s.webhookDelivery(ctx, tx, r)
		if err != nil {
			return err
		}
		return s.replayByID(ctx, tx, d.ID)
	})
	if err != nil {
		return nil, err
	}
	return s.getWebhookDelivery(ctx, r)
}

// replayByID sends the event of a delivery to a webhook again.
func (s *service) replayByID(ctx context.Context, tx sqldb.Tx, id string) error {
	_, found, err := store.FindWebhookDelivery(ctx, tx, id)
	if err != nil {
		return err
	}
	if !found {
		return missingDelivery(id)
	}
	replayed, err := store.ReplayWebhookDelivery(ctx, tx, id, s.Now())
	if err != nil {
		return err
	}
	if !replayed {
		return errNotReplayable
	}
	tx.OnCommit(s.webhooks.due.Notify)
	return s.Audit.Record(ctx, tx, audit.Entry{Action: "replay_webhook_delivery", Target: id})
}

// replayFailed queues the failed deliveries again, a batch in each transaction.
func (s *service) replayFailed(ctx context.Context, r *webhookRequest) (*replayedResponse, error) {
	out := &replayedResponse{}
	for batch := deleteBatch; batch == deleteBatch; {
		err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			if _, err = s.webhook(ctx, tx, r.ID); err != nil {
				return err
			}
			if batch, err = store.ReplayFailedWebhookDeliveries(ctx, tx, r.ID, s.Now(), deleteBatch); err != nil || batch == 0 {
				return err
			}
			tx.OnCommit(s.webhooks.due.Notify)
			return s.Audit.Record(ctx, tx, audit.Entry{Action: "replay_failed_webhook_deliveries", Target: r.ID, Detail: strconv.Itoa(batch)})
		})
		if err != nil {
			return nil, err
		}
		out.Body.Replayed += batch
	}
	return out, nil
}
