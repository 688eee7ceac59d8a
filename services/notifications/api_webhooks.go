package notifications

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"troupe/patterns/audit"
	"troupe/patterns/idempotency"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/store"
	"troupe/services/notifications/internal/webhook"
)

var (
	errTooManyWebhooks = fault.New(fault.Conflict, "too_many_webhooks", "there are already %d webhooks, which is the most; delete one", mostWebhooks)
	errWebhookDisabled = fault.New(fault.Conflict, "webhook_disabled", "the webhook is disabled; enable it with PATCH /webhooks/{id} first")
)

func missingWebhook(id string) error {
	return fault.Missing("webhook", id, "GET /webhooks lists all")
}

// webhookView is the JSON of a webhook.
type webhookView struct {
	ID             string         `json:"id" readOnly:"true"`
	URL            string         `json:"url"`
	Events         []string       `json:"events"`
	Description    string         `json:"description,omitempty"`
	Enabled        bool           `json:"enabled"`
	DisabledReason string         `json:"disabled_reason,omitempty" readOnly:"true" doc:"Why the service has disabled it"`
	FailingSince   timestamp.Time `json:"failing_since,omitzero" readOnly:"true" doc:"Absent if the last attempt succeeded"`
	Secret         string         `json:"secret,omitempty" readOnly:"true" doc:"For verifying the signatures. Only in the response to its creation; keep it"`
	SecretExpires  timestamp.Time `json:"previous_secret_until,omitzero" readOnly:"true" doc:"Until when messages are signed with the previous secret too"`
	CreatedAt      timestamp.Time `json:"created_at" readOnly:"true"`
	UpdatedAt      timestamp.Time `json:"updated_at" readOnly:"true"`
}

func (s *service) viewOfWebhook(w store.Webhook) webhookView {
	v := webhookView{
		ID: w.ID, URL: w.URL, Events: w.Events, Description: w.Description, Enabled: w.Enabled, DisabledReason: w.Reason,
		FailingSince: timestamp.Of(w.FailingSince), CreatedAt: timestamp.Of(w.CreatedAt), UpdatedAt: timestamp.Of(w.UpdatedAt),
	}
	if len(w.Secrets(s.Now())) > 1 {
		v.SecretExpires = timestamp.Of(w.PreviousUntil)
	}
	return v
}

// webhookInput is the body of createWebhookRequest.
type webhookInput struct {
	URL         string   `json:"url" minLength:"1" maxLength:"2000" example:"https://erp.example/hooks/troupe"`
	Events      []string `json:"events" minItems:"1" maxItems:"50" doc:"The types of events; docs/WEBHOOKS.md lists them" example:"[\"order.paid.v1\"]"`
	Description string   `json:"description,omitempty" maxLength:"200" example:"The ERP's copy of paid orders"`
}

type createWebhookRequest struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"A repetition with the same key and body gets the first answer"`
	Body webhookInput
}

// webhookChanges is the body of changeWebhookRequest.
type webhookChanges struct {
	URL         *string  `json:"url,omitempty" minLength:"1" maxLength:"2000"`
	Events      []string `json:"events,omitempty" minItems:"1" maxItems:"50"`
	Description *string  `json:"description,omitempty" maxLength:"200"`
	Enabled     *bool    `json:"enabled,omitempty" doc:"Events that happen while it is false are not sent later"`

	ID             *string         `json:"id,omitempty" readOnly:"true"`
	DisabledReason *string         `json:"disabled_reason,omitempty" readOnly:"true"`
	FailingSince   *timestamp.Time `json:"failing_since,omitempty" readOnly:"true"`
	Secret         *string         `json:"secret,omitempty" readOnly:"true" doc:"POST /webhooks/{id}/rotate-secret changes it"`
	SecretExpires  *timestamp.Time `json:"previous_secret_until,omitempty" readOnly:"true"`
	CreatedAt      *timestamp.Time `json:"created_at,omitempty" readOnly:"true"`
	UpdatedAt      *timestamp.Time `json:"updated_at,omitempty" readOnly:"true"`
}

type getWebhookRequest struct {
	httpapi.ConditionalGet
	ID string `path:"id" maxLength:"100"`
}

type deleteWebhookRequest struct {
	httpapi.Conditional
	ID string `path:"id" maxLength:"100"`
}

type changeWebhookRequest struct {
	httpapi.Conditional
	ID   string `path:"id" maxLength:"100"`
	Body webhookChanges
}

type webhookRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type webhookResponse struct {
	ETag httpapi.ETag `header:"ETag"`
	Body webhookView
}

func (s *service) webhookResponseOf(w store.Webhook) *webhookResponse {
	return &webhookResponse{ETag: s.tagOfWebhook(w), Body: s.viewOfWebhook(w)}
}

// tagOfWebhook returns the entity tag of a webhook. Whether its receiver answers changes by
// itself.
func (s *service) tagOfWebhook(w store.Webhook) httpapi.ETag {
	return httpapi.ETagOf([]any{w.URL, w.Events, w.Description, w.Enabled}, s.viewOfWebhook(w))
}

type createdWebhookResponse struct {
	Location string `header:"Location"`
	Body     webhookView
}

type listWebhooksRequest struct{ httpapi.PageQuery }

type webhooksResponse struct{ Body httpapi.Page[webhookView] }

// serveWebhooks adds the operations with which an admin subscribes other systems to
// events.
func (s *service) serveWebhooks(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Post(api, "/webhooks", s.createWebhook, admin, httpapi.Status(http.StatusCreated), httpapi.Summary("Create a webhook"))
	httpapi.Get(api, "/webhooks", s.listWebhooks, admin, httpapi.Summary("List webhooks, newest first"))
	httpapi.Get(api, "/webhooks/{id}", s.getWebhook, admin, httpapi.Summary("Show a webhook"))
	httpapi.Patch(api, "/webhooks/{id}", s.changeWebhook, admin, httpapi.Summary("Change a webhook"),
		httpapi.Example(map[string]any{"events": []string{"order.paid.v1", "order.cancelled.v1"}, "enabled": true}))
	httpapi.Delete(api, "/webhooks/{id}", s.deleteWebhook, admin, httpapi.Summary("Delete a webhook"))
	httpapi.Post(api, "/webhooks/{id}/rotate-secret", s.rotateSecret, admin, httpapi.Summary("Give a webhook another secret"))
	s.serveWebhookDeliveries(api)
}

// createWebhook creates a webhook. The secret is not stored as part of the answer: a
// repeated request gets it from the webhook itself.
func (s *service) createWebhook(ctx context.Context, r *createWebhookRequest) (*createdWebhookResponse, error) {
	now := s.Now()
	w := store.Webhook{
		ID: s.NewID(), URL: r.Body.URL, Events: sortedTypes(r.Body.Events), Description: r.Body.Description,
		Secret: webhook.NewSecret(), Enabled: true, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.checkWebhook(w); err != nil {
		return nil, err
	}
	request := idempotency.Request{Caller: auth.CallerOf(ctx).UserID, Operation: "POST /webhooks", Key: r.Key, Body: r.Body}
	var view webhookView
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		view, _, err = idempotency.Once(ctx, tx, request, now, func() (webhookView, error) {
			return s.viewOfWebhook(w), s.addWebhook(ctx, tx, w)
		})
		if err != nil {
			return err
		}
		stored, found, err := store.FindWebhook(ctx, tx, view.ID)
		if found {
			view.Secret = stored.Secret
		}
		return err
	})
	return &createdWebhookResponse{Location: "/webhooks/" + view.ID, Body: view}, err
}

func (s *service) addWebhook(ctx context.Context, tx sqldb.Tx, w store.Webhook) error {
	n, err := store.CountWebhooks(ctx, tx)
	if err != nil {
		return err
	}
	if n >= mostWebhooks {
		return errTooManyWebhooks
	}
	if err := store.SaveWebhook(ctx, tx, w); err != nil {
		return err
	}
	return s.Audit.Record(ctx, tx, audit.Entry{Action: "create_webhook", Target: w.ID})
}

// sortedTypes returns the types in order, each once.
func sortedTypes(types []string) []string {
	types = slices.Clone(types)
	slices.Sort(types)
	return slices.Compact(types)
}

// checkWebhook returns an error if a webhook could not be called, or subscribes to events
// that do not exist.
func (s *service) checkWebhook(w store.Webhook) error {
	if _, err := s.webhookPolicy().Check(w.URL); err != nil {
		return fault.New(fault.Invalid, "webhook_url_invalid", "the URL of the webhook cannot be called: %s", err).WithField("body.url", err.Error())
	}
	for _, eventType := range w.Events {
		if !slices.Contains(s.webhooks.types, eventType) {
			return fault.New(fault.Invalid, "event_type_unknown", "webhooks can subscribe to %s", strings.Join(s.webhooks.types, ", ")).
				WithField("body.events", "there is no such type")
		}
	}
	return nil
}

func (s *service) listWebhooks(ctx context.Context, r *listWebhooksRequest) (*webhooksResponse, error) {
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	list, err := store.Webhooks(ctx, s.DB, before, r.Fetch())
	if err != nil {
		return nil, err
	}
	return &webhooksResponse{httpapi.PageOf(r.PageQuery, list, func(w store.Webhook) string { return w.ID }, s.viewOfWebhook)}, nil
}

func (s *service) getWebhook(ctx context.Context, r *getWebhookRequest) (*webhookResponse, error) {
	w, err := s.webhook(ctx, s.DB, r.ID)
	return s.webhookResponseOf(w), err
}

func (s *service) webhook(ctx context.Context, q sqldb.Querier, id string) (store.Webhook, error) {
	w, found, err := store.FindWebhook(ctx, q, id)
	if err == nil && !found {
		err = missingWebhook(id)
	}
	return w, err
}

// changeWebhook changes what the body names. Enabling a webhook begins its count of
// failures again.
func (s *service) changeWebhook(ctx context.Context, r *changeWebhookRequest) (*webhookResponse, error) {
	return s.updateWebhook(ctx, r.ID, "change_webhook", func(w *store.Webhook) error {
		if err := r.Check(s.tagOfWebhook(*w)); err != nil {
			return err
		}
		if err := httpapi.CheckReadOnly(r.Body, s.viewOfWebhook(*w)); err != nil {
			return err
		}
		if r.Body.URL != nil {
			w.URL = *r.Body.URL
		}
		if r.Body.Events != nil {
			w.Events = sortedTypes(r.Body.Events)
		}
		if r.Body.Description != nil {
			w.Description = *r.Body.Description
		}
		if r.Body.Enabled != nil && *r.Body.Enabled != w.Enabled {
			w.Enabled, w.Reason, w.FailingSince = *r.Body.Enabled, "", time.Time{}
		}
		return s.checkWebhook(*w)
	})
}

// rotateSecret gives a webhook another secret. Messages are signed with both for a while,
// so that the receiver can change over without a refusal.
func (s *service) rotateSecret(ctx context.Context, r *webhookRequest) (*webhookResponse, error) {
	secret := webhook.NewSecret()
	response, err := s.updateWebhook(ctx, r.ID, "rotate_webhook_secret", func(w *store.Webhook) error {
		w.PreviousSecret, w.PreviousUntil = w.Secret, s.Now().Add(webhook.SecretOverlap)
		w.Secret = secret
		return nil
	})
	if err != nil {
		return nil, err
	}
	response.Body.Secret = secret
	return response, nil
}

func (s *service) updateWebhook(ctx context.Context, id, action string, change func(*store.Webhook) error) (*webhookResponse, error) {
	var w store.Webhook
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var found bool
		var err error
		if w, found, err = store.LockWebhook(ctx, tx, id); err != nil {
			return err
		}
		if !found {
			return missingWebhook(id)
		}
		if err := change(&w); err != nil {
			return err
		}
		w.UpdatedAt = s.Now()
		if err := store.SaveWebhook(ctx, tx, w); err != nil {
			return err
		}
		tx.OnCommit(s.webhooks.due.Notify)
		return s.Audit.Record(ctx, tx, audit.Entry{Action: action, Target: id})
	})
	return s.webhookResponseOf(w), err
}

func (s *service) deleteWebhook(ctx context.Context, r *deleteWebhookRequest) (*struct{}, error) {
	return nil, s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		w, found, err := store.LockWebhook(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if !found {
			return missingWebhook(r.ID)
		}
		if err := r.Check(s.tagOfWebhook(w)); err != nil {
			return err
		}
		if _, err := store.DeleteWebhook(ctx, tx, r.ID); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "delete_webhook", Target: r.ID})
	})
}
