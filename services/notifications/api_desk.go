package notifications

import (
	"context"
	"fmt"
	"time"

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

// channelWebhook is the channel of deliveries to webhooks, which have a table of their own.
const channelWebhook = "webhook"

var (
	errNotUnknown = fault.New(fault.Conflict, "delivery_not_unknown",
		"only a delivery whose outcome is unknown can be resolved; GET /deliveries/{id} shows the state of this one")
	errNotWaiting = fault.New(fault.Conflict, "delivery_not_waiting",
		"only a delivery that waits can be suppressed; GET /deliveries/{id} shows the state of this one")
)

// resolution is the body of resolveDeliveryRequest.
type resolution struct {
	Sent bool `json:"sent" doc:"true: it was sent, and nothing more happens; false: it was not, and is sent now"`
}

type resolveDeliveryRequest struct {
	ID   string `path:"id" maxLength:"100"`
	Body resolution
}

// retryFilter is the body of retryAllRequest.
type retryFilter struct {
	State   string `json:"state" enum:"rejected,expired,bounced,unknown,deferred" doc:"The state of the deliveries that are tried again. Those that are deferred are tried now"`
	Channel string `json:"channel,omitempty" enum:"email,push,webhook"`
	Kind    string `json:"kind,omitempty" maxLength:"100"`
	OrderID string `json:"order_id,omitempty" maxLength:"100"`
}

type retryAllRequest struct{ Body retryFilter }

type retriedCount struct {
	Retried int `json:"retried" doc:"How many deliveries are tried again"`
}

type retryAllResponse struct{ Body retriedCount }

// serveDesk adds the operations with which an operator decides about deliveries.
func (s *service) serveDesk(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Post(api, "/deliveries/retry", s.retryAll, admin, httpapi.Summary("Try all deliveries of a state again"),
		httpapi.Example(retryFilter{State: "rejected", Channel: "email"}))
	httpapi.Post(api, "/deliveries/{id}/resolve", s.resolveDelivery, admin, httpapi.Summary("State whether an unknown delivery was sent"))
	httpapi.Post(api, "/deliveries/{id}/suppress", s.suppressDelivery, admin, httpapi.Summary("Do not send a delivery that waits"))
}

// wakeSenders wakes the workers that send mails and pushes.
func (s *service) wakeSenders() {
	s.due.Notify()
	s.pushesDue.Notify()
}

// viewAsDelivery returns a delivery to a webhook as one of any channel.
func viewAsDelivery(d store.WebhookDelivery) deliveryView {
	return deliveryView{
		ID: d.ID, EventID: d.EventID, Kind: d.EventType, Channel: channelWebhook, WebhookID: d.WebhookID, OrderID: d.OrderID,
		State: string(d.State), Attempts: d.Attempts, Reply: replyOf(d.Status, d.Reply),
		NextAt: timestamp.Of(d.NextAt), CreatedAt: timestamp.Of(d.CreatedAt), UpdatedAt: timestamp.Of(d.UpdatedAt),
	}
}

// replyOf returns a status and the beginning of a response in one text.
func replyOf(status int, reply string) string {
	switch {
	case status == 0:
		return reply
	case reply == "":
		return fmt.Sprint(status)
	}
	return fmt.Sprintf("%d %s", status, reply)
}

// getAsDelivery returns a delivery to a webhook with its attempts.
func (s *service) getAsDelivery(ctx context.Context, id string) (*deliveryResponse, error) {
	d, found, err := store.FindWebhookDelivery(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, missingDelivery(id)
	}
	attempts, err := store.WebhookAttempts(ctx, s.DB, id)
	if err != nil {
		return nil, err
	}
	view := viewAsDelivery(d)
	for _, a := range attempts {
		view.Log = append(view.Log, attemptView{
			N: a.N, Phase: string(delivery.Post), State: string(a.State), Reply: replyOf(a.Status, a.Reply), EndedAt: timestamp.Of(a.EndedAt),
		})
	}
	return &deliveryResponse{view}, nil
}

// resolveDelivery ends the doubt about a mail whose server did not answer: an operator has
// looked it up there.
func (s *service) resolveDelivery(ctx context.Context, r *resolveDeliveryRequest) (*deliveryResponse, error) {
	return s.decideDelivery(ctx, r.ID, func(ctx context.Context, tx sqldb.Tx, d store.Delivery) error {
		if d.State != delivery.Unknown {
			return errNotUnknown
		}
		if !r.Body.Sent {
			tx.OnCommit(s.wakeSenders)
			queued, err := store.Retry(ctx, tx, d.ID, delivery.Unknown, s.Now())
			if err == nil && !queued {
				err = errNotUnknown
			}
			return err
		}
		return s.endDelivery(ctx, tx, d, delivery.Sent, "", errNotUnknown)
	}, audit.Entry{Action: "resolve_delivery", Target: r.ID, Detail: map[bool]string{true: "sent", false: "not sent"}[r.Body.Sent]})
}

// suppressDelivery ends a delivery that waits.
func (s *service) suppressDelivery(ctx context.Context, r *getDeliveryRequest) (*deliveryResponse, error) {
	const reply = "suppressed by an admin"
	return s.decideDelivery(ctx, r.ID, func(ctx context.Context, tx sqldb.Tx, d store.Delivery) error {
		switch {
		case d.Channel == channelWebhook:
			suppressed, err := store.SuppressWebhookDelivery(ctx, tx, d.ID, reply, s.Now())
			if err == nil && !suppressed {
				err = errNotWaiting
			}
			return err
		case d.State.Final() || d.State == delivery.Sending:
			return errNotWaiting
		}
		return s.endDelivery(ctx, tx, d, delivery.Suppressed, reply, errNotWaiting)
	}, audit.Entry{Action: "suppress_delivery", Target: r.ID})
}

// endDelivery ends a delivery and publishes that, or returns the error refused if another
// has changed it meanwhile.
func (s *service) endDelivery(ctx context.Context, tx sqldb.Tx, d store.Delivery, to delivery.State, reply string, refused error) error {
	ended, done, err := store.End(ctx, tx, d, to, reply, s.Now())
	if err != nil {
		return err
	}
	if !done {
		return refused
	}
	return s.Outbox.AddPending(ctx, tx, event.Pending{Payload: outcomeEvent(ended), Cause: &event.Envelope{ID: d.EventID, Traceparent: d.Traceparent}})
}

// decideDelivery lets decide change a delivery, and records that. A delivery to a webhook
// is handed over by its id and channel alone.
func (s *service) decideDelivery(ctx context.Context, id string, decide func(context.Context, sqldb.Tx, store.Delivery) error, e audit.Entry) (*deliveryResponse, error) {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		d, found, err := store.FindDelivery(ctx, tx, id)
		if err != nil {
			return err
		}
		if !found {
			if _, found, err = store.FindWebhookDelivery(ctx, tx, id); err != nil {
				return err
			}
			if !found {
				return missingDelivery(id)
			}
			d = store.Delivery{ID: id, Channel: channelWebhook}
		}
		if err := decide(ctx, tx, d); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, e)
	})
	if err != nil {
		return nil, err
	}
	return s.getDelivery(ctx, &getDeliveryRequest{id})
}

// retryAll queues all deliveries of a state again, a batch in each transaction. One that
// fails meanwhile is not tried a third time.
func (s *service) retryAll(ctx context.Context, r *retryAllRequest) (*retryAllResponse, error) {
	out, began := &retryAllResponse{}, s.Now()
	for batch := deleteBatch; batch >= deleteBatch; {
		err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			if batch, err = retryBatch(ctx, tx, r.Body, began); err != nil || batch == 0 {
				return err
			}
			tx.OnCommit(func() { s.wakeSenders(); s.webhooks.due.Notify() })
			return s.Audit.Record(ctx, tx, audit.Entry{Action: "retry_deliveries", Detail: fmt.Sprintf("%d that were %s", batch, r.Body.State)})
		})
		if err != nil {
			return nil, err
		}
		out.Body.Retried += batch
	}
	return out, nil
}

func (f retryFilter) includes(channel string) bool { return f.Channel == "" || f.Channel == channel }

// retryBatch queues a batch of deliveries again and returns how many.
func retryBatch(ctx context.Context, tx sqldb.Tx, f retryFilter, began time.Time) (n int, err error) {
	state := delivery.State(f.State)
	if f.Channel != channelWebhook {
		n, err = store.RetryAll(ctx, tx, store.Filter{Channel: f.Channel, Kind: f.Kind, OrderID: f.OrderID, State: state}, began, deleteBatch)
	}
	if err == nil && n < deleteBatch && f.includes(channelWebhook) {
		var hooks int
		hooks, err = store.RetryAllWebhookDeliveries(ctx, tx, store.WebhookFilter{EventType: f.Kind, OrderID: f.OrderID, State: state}, began, deleteBatch-n)
		n += hooks
	}
	return n, err
}
