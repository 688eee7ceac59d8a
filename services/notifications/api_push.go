package notifications

import (
	"context"
	"errors"

	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/push"
	"troupe/services/notifications/internal/store"
)

var (
	errEndpointTaken = fault.New(fault.Conflict, "push_endpoint_taken",
		"this endpoint belongs to another subscription with other keys; subscribe the browser again and send what it returns")
	errPushKeyUnknown = fault.New(fault.Invalid, "push_key_unknown",
		"the shop has no such push key; subscribe the browser again with the key of GET /push/key").
		WithField("body.application_server_key", "must be a key of GET /push/key")
)

type getPushKeyRequest struct{}

type rotatePushKeyRequest struct {
	EndSubscriptions bool `query:"end_subscriptions" doc:"Delete the earlier keys and end all subscriptions, because others may know the private key. The browsers subscribe again with the new key"`
}

type pushKeyView struct {
	PublicKey string `json:"public_key" doc:"The applicationServerKey for PushManager.subscribe, base64url"`
}

type pushKeyResponse struct{ Body pushKeyView }

// subscribeRequest is what JSON.stringify makes of a browser's PushSubscription.
type subscribeRequest struct {
	Body struct {
		Endpoint       string   `json:"endpoint" maxLength:"2000"`
		ExpirationTime *float64 `json:"expirationTime,omitempty" nullable:"true" doc:"As browsers send it; it is ignored, because the push service reports the end of a subscription"`
		Keys           struct {
			P256DH string `json:"p256dh" maxLength:"200"`
			Auth   string `json:"auth" maxLength:"100"`
		} `json:"keys"`
		ApplicationServerKey string `json:"application_server_key,omitempty" maxLength:"200" doc:"The key of GET /push/key that the browser was subscribed with; the newest if absent"`
	}
}

type subscriptionView struct {
	ID        string         `json:"id"`
	Endpoint  string         `json:"endpoint"`
	CreatedAt timestamp.Time `json:"created_at"`
}

type subscriptionResponse struct{ Body subscriptionView }

type listSubscriptionsRequest struct{}

type subscriptionsResponse struct {
	Body httpapi.Page[subscriptionView]
}

type unsubscribeRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type noContent struct{}

// servePush adds the operations of the caller's own browsers, and the rotation of the key.
func (s *service) servePush(api *httpapi.API) {
	httpapi.Get(api, "/push/key", s.getPushKey, httpapi.Public(), httpapi.Summary("Get the key to subscribe a browser with"))
	httpapi.Post(api, "/push/key/rotate", s.rotatePushKey, httpapi.RequireRole(auth.Admin), httpapi.Summary("Use another key for new push subscriptions"))
	httpapi.Post(api, "/push/subscriptions", s.subscribe, httpapi.Status(201), httpapi.Summary("Send pushes to this browser"))
	httpapi.Get(api, "/push/subscriptions", s.listSubscriptions, httpapi.Summary("List the browsers that receive my pushes"))
	httpapi.Delete(api, "/push/subscriptions", s.unsubscribeAll, httpapi.Summary("Send no more pushes to any browser of mine"))
	httpapi.Delete(api, "/push/subscriptions/{id}", s.unsubscribe, httpapi.Summary("Send no more pushes to a browser of mine"))
}

func (s *service) getPushKey(ctx context.Context, _ *getPushKeyRequest) (*pushKeyResponse, error) {
	key, err := store.CurrentPushKey(ctx, s.DB, s.Now())
	if err != nil {
		return nil, err
	}
	return &pushKeyResponse{pushKeyView{key.Public}}, nil
}

// rotatePushKey makes another key. Without the key that a subscription was made with, it has
// ended: its row is deleted at once, or later if there are many.
func (s *service) rotatePushKey(ctx context.Context, r *rotatePushKeyRequest) (*pushKeyResponse, error) {
	key, err := push.NewKey()
	if err != nil {
		return nil, err
	}
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.AddPushKey(ctx, tx, key, s.Now()); err != nil {
			return err
		}
		detail := ""
		if r.EndSubscriptions {
			detail = "all subscriptions ended"
			if err := store.DeleteOtherPushKeys(ctx, tx, key); err != nil {
				return err
			}
			if _, err := store.DeleteEndedPushSubscriptions(ctx, tx, deleteBatch); err != nil {
				return err
			}
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "rotate_push_key", Target: key.Public, Detail: detail})
	})
	if err != nil {
		return nil, err
	}
	return &pushKeyResponse{pushKeyView{key.Public}}, nil
}

func (s *service) subscribe(ctx context.Context, r *subscribeRequest) (*subscriptionResponse, error) {
	caller := auth.CallerOf(ctx)
	sub := store.PushSubscription{ID: s.NewID(), UserID: caller.UserID, SessionID: caller.SessionID, CreatedAt: s.Now()}
	sub.Endpoint, sub.Key.Public = r.Body.Endpoint, r.Body.ApplicationServerKey
	var err error
	if _, err = s.pushServices.Check(sub.Endpoint); err != nil {
		return nil, fault.New(fault.Invalid, "push_endpoint_not_permitted", "this endpoint cannot be used: %s", err).
			WithField("body.endpoint", err.Error())
	}
	if sub.Keys, err = push.ParseKeys(r.Body.Keys.P256DH, r.Body.Keys.Auth); err != nil {
		return nil, badPushKeys(err)
	}
	if sub.Key.Public == "" {
		if sub.Key, err = store.CurrentPushKey(ctx, s.DB, s.Now()); err != nil {
			return nil, err
		}
	}
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		sub.ID, err = s.storeSubscription(ctx, tx, sub)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &subscriptionResponse{viewOfSubscription(sub)}, nil
}

func badPushKeys(err error) error {
	field := "body.keys.p256dh"
	if errors.Is(err, push.ErrAuthSecret) {
		field = "body.keys.auth"
	}
	return fault.New(fault.Invalid, "push_keys_invalid", "%s; send the keys that the browser returned", err).WithField(field, err.Error())
}

// storeSubscription stores a subscription and returns its id.
func (s *service) storeSubscription(ctx context.Context, tx sqldb.Tx, sub store.PushSubscription) (string, error) {
	if err := admitUser(ctx, tx, sub.UserID); err != nil {
		return "", err
	}
	known, err := store.HasPushKey(ctx, tx, sub.Key.Public)
	if err == nil && !known {
		err = errPushKeyUnknown
	}
	if err != nil {
		return "", err
	}
	id, stored, err := store.PutPushSubscription(ctx, tx, sub)
	if err == nil && !stored {
		err = errEndpointTaken
	}
	if err != nil {
		return "", err
	}
	all, err := store.PushSubscriptionsOf(ctx, tx, sub.UserID)
	if err == nil && len(all) > s.PushSubscriptions {
		err = fault.New(fault.Conflict, "too_many_push_subscriptions",
			"%d browsers receive your pushes already; DELETE /push/subscriptions/{id} ends one", s.PushSubscriptions)
	}
	return id, err
}

func (s *service) listSubscriptions(ctx context.Context, _ *listSubscriptionsRequest) (*subscriptionsResponse, error) {
	all, err := store.PushSubscriptionsOf(ctx, s.DB, auth.CallerOf(ctx).UserID)
	if err != nil {
		return nil, err
	}
	page := httpapi.Page[subscriptionView]{Items: []subscriptionView{}}
	for _, sub := range all {
		page.Items = append(page.Items, viewOfSubscription(sub))
	}
	return &subscriptionsResponse{page}, nil
}

func (s *service) unsubscribe(ctx context.Context, r *unsubscribeRequest) (*noContent, error) {
	n, err := s.deleteSubscriptions(ctx, r.ID)
	if err == nil && n == 0 {
		err = fault.Missing("push subscription", r.ID, "GET /push/subscriptions lists yours")
	}
	return nil, err
}

func (s *service) unsubscribeAll(ctx context.Context, _ *listSubscriptionsRequest) (*noContent, error) {
	_, err := s.deleteSubscriptions(ctx, "")
	return nil, err
}

func (s *service) deleteSubscriptions(ctx context.Context, id string) (n int64, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err = store.DeletePushSubscriptions(ctx, tx, auth.CallerOf(ctx).UserID, id)
		return err
	})
	return n, err
}

func viewOfSubscription(s store.PushSubscription) subscriptionView {
	return subscriptionView{ID: s.ID, Endpoint: s.Endpoint, CreatedAt: timestamp.Of(s.CreatedAt)}
}
