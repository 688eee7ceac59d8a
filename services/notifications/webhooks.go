package notifications

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/safedial"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
)

const (
	mostWebhooks    = 50               // subscriptions
	webhookTimeout  = 15 * time.Second // of one attempt, with the body of the response
	webhookTestType = "webhook.test.v1"
)

// webhookPolicy returns what may be called. A developer receives webhooks on the same
// machine, without TLS.
func (s *service) webhookPolicy() safedial.Policy {
	p := safedial.Policy{HTTP: !s.Production, Networks: s.WebhookNetworks}
	if !s.Production {
		p.Networks = append(slices.Clone(p.Networks), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	return p
}

// prepareWebhooks makes what sends events to webhooks.
func (s *service) prepareWebhooks() {
	s.webhooks = newWebhooks(s.webhookPolicy().Client(webhookTimeout), s.Journal)
	s.webhookAttempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_notifications_webhook_attempts_total",
		Help: "Attempts to send an event to a webhook, by result: accepted, refused, no_response.",
	}, []string{"result"})
	s.Registry.MustRegister(s.webhookAttempts)
}

// withWebhooks returns the handlers, each of which also queues its events for the webhooks
// that want them.
func (s *service) withWebhooks(handlers ...inbox.Handler) []inbox.Handler {
	for i, h := range handlers {
		handlers[i] = inbox.Then(h, s.queueForWebhooks)
	}
	return handlers
}

// webhookTypes returns the types of events that webhooks may subscribe to: those that the
// service consumes.
func webhookTypes(handlers []inbox.Handler) []string {
	types := make([]string, len(handlers))
	for i, h := range handlers {
		types[i] = h.Type
	}
	slices.Sort(types)
	return types
}

// subject is what every event may name.
type subject struct {
	UserID  string `json:"user_id"`
	OrderID string `json:"order_id"`
}

// queueForWebhooks queues the events for the webhooks that want them. It looks them up in
// the transaction of the events, so that a webhook gets what is handled after it was made.
func (s *service) queueForWebhooks(ctx context.Context, tx sqldb.Tx, envelopes []event.Envelope) error {
	hooks, err := store.EnabledWebhooks(ctx, tx)
	if err != nil {
		return err
	}
	wanted := func(e event.Envelope) bool {
		return slices.ContainsFunc(hooks, func(w store.Webhook) bool { return w.Wants(e.Type) })
	}
	envelopes = slices.DeleteFunc(slices.Clone(envelopes), func(e event.Envelope) bool { return !wanted(e) })
	if len(envelopes) == 0 {
		return nil
	}
	deleted, err := deletedUsers(ctx, tx, envelopes)
	if err != nil {
		return err
	}
	var deliveries []store.WebhookDelivery
	for _, e := range envelopes {
		about, body, err := storable(e, deleted)
		if err != nil {
			return err
		}
		for _, w := range hooks {
			if body != "" && w.Wants(e.Type) {
				deliveries = append(deliveries, s.deliveryTo(w, e, about, body))
			}
		}
	}
	tx.OnCommit(s.webhooks.due.Notify)
	return store.AddWebhookDeliveries(ctx, tx, deliveries)
}

func (s *service) deliveryTo(w store.Webhook, e event.Envelope, about subject, body string) store.WebhookDelivery {
	return store.WebhookDelivery{
		ID: s.NewID(), WebhookID: w.ID, EventID: e.ID, EventType: e.Type, OrderID: about.OrderID, UserID: about.UserID,
		Body: body, CreatedAt: s.Now(),
	}
}

// deletedUsers returns those of the users in the events whose accounts were deleted.
func deletedUsers(ctx context.Context, tx sqldb.Tx, envelopes []event.Envelope) (map[string]bool, error) {
	var ids []string
	for _, e := range envelopes {
		if about := subjectOf(e.Data); about.UserID != "" {
			ids = append(ids, about.UserID)
		}
	}
	known, err := store.Recipients(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(known, func(_ string, r store.Recipient) bool { return !r.Deleted })
	deleted := make(map[string]bool, len(known))
	for id := range known {
		deleted[id] = true
	}
	return deleted, nil
}

func subjectOf(data []byte) (about subject) {
	_ = json.Unmarshal(data, &about) // an event that names neither is about neither
	return about
}

// storable returns what an event is about, and its body as it is sent. Of a user whose
// account was deleted nothing is stored but the deletion itself: the body of another event
// about the account is empty, and that of an order does not name the user.
func storable(e event.Envelope, deleted map[string]bool) (subject, string, error) {
	about := subjectOf(e.Data)
	if deleted[about.UserID] && e.Type != (events.UserDeleted{}).EventType() {
		if isAboutUser(e.Type) {
			return about, "", nil
		}
		var err error
		if e, err = withoutUser(e); err != nil {
			return about, "", err
		}
		about.UserID = ""
	}
	body, err := event.Encode(e)
	return about, string(body), err
}

func isAboutUser(eventType string) bool { return strings.HasPrefix(eventType, "user.") }

// personal are the members of an event's data that are about the customer.
var personal = []string{"user_id", "payment_method", "ship_to", "email", "name"}

// withoutUser returns an event about an order without what it states about the customer.
func withoutUser(e event.Envelope) (event.Envelope, error) {
	var data map[string]json.RawMessage
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return e, fmt.Errorf("read the data of %s: %w", e.Type, err)
	}
	for _, name := range personal {
		delete(data, name)
	}
	var err error
	e.Data, err = json.Marshal(data)
	return e, err
}

// eraseFromWebhooks erases a user from the events that are kept for webhooks. Events that
// wait are reduced, or dropped if they are about the account.
func (s *service) eraseFromWebhooks(ctx context.Context, tx sqldb.Tx, userID string) error {
	for {
		stored, err := store.WebhookDeliveriesOfUser(ctx, tx, userID, eraseBatch)
		if err != nil || len(stored) == 0 {
			return err
		}
		for _, d := range stored {
			body, err := erased(d)
			if err != nil {
				return err
			}
			if err := store.EraseWebhookDelivery(ctx, tx, d, body, s.Now()); err != nil {
				return err
			}
		}
	}
}

const eraseBatch = 256

// erased returns the body of a delivery without the user; empty if it has ended, or if
// nothing would be left.
func erased(d store.WebhookDelivery) (string, error) {
	if d.NextAt.IsZero() || isAboutUser(d.EventType) {
		return "", nil
	}
	e, err := event.Decode([]byte(d.Body))
	if err != nil {
		return "", nil //nolint:nilerr // what cannot be read cannot be reduced, and is erased
	}
	if e, err = withoutUser(e); err != nil {
		return "", err
	}
	body, err := event.Encode(e)
	return string(body), err
}
