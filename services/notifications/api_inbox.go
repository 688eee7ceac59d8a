package notifications

import (
	"context"
	"errors"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/store"
)

// entry is the JSON of an inbox entry.
type entry struct {
	ID        string         `json:"id"`
	Kind      string         `json:"kind" example:"order.paid" doc:"What it is about"`
	Title     string         `json:"title"`
	Body      string         `json:"body"`
	OrderID   string         `json:"order_id,omitempty"`
	CreatedAt timestamp.Time `json:"created_at"`
	ReadAt    timestamp.Time `json:"read_at,omitzero" doc:"Absent while unread"`
}

type listNotificationsRequest struct {
	httpapi.PageQuery
	Unread  bool   `query:"unread" doc:"Return only unread notifications"`
	OrderID string `query:"order_id" maxLength:"100" doc:"Return only notifications about this order"`
}

type notificationsResponse struct{ Body httpapi.Page[entry] }

type readNotificationRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type notificationResponse struct{ Body entry }

// serveInbox adds the operations of the inbox, which is the caller's own.
func (s *service) serveInbox(api *httpapi.API) {
	httpapi.Get(api, "/notifications", s.listNotifications, httpapi.Summary("List my notifications, newest first"))
	httpapi.Get(api, "/notifications/unread", s.countUnread, httpapi.Summary("Count my unread notifications"))
	httpapi.Post(api, "/notifications/read", s.readAll, httpapi.Summary("Mark my notifications as read"))
	httpapi.Post(api, "/notifications/{id}/read", s.readNotification, httpapi.Summary("Mark a notification of mine as read"))
}

func (s *service) listNotifications(ctx context.Context, r *listNotificationsRequest) (*notificationsResponse, error) {
	userID := auth.CallerOf(ctx).UserID
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	stored, err := store.InboxEntries(ctx, s.DB, store.InboxFilter{
		UserID: userID, OrderID: r.OrderID, Unread: r.Unread, Before: before, Limit: r.Fetch(),
	})
	if err != nil {
		return nil, err
	}
	entries, err := s.renderEntries(ctx, userID, stored)
	if err != nil {
		return nil, err
	}
	asIs := func(e entry) entry { return e }
	return &notificationsResponse{httpapi.PageOf(r.PageQuery, entries, func(e entry) string { return e.ID }, asIs)}, nil
}

func (s *service) readNotification(ctx context.Context, r *readNotificationRequest) (*notificationResponse, error) {
	userID := auth.CallerOf(ctx).UserID
	var stored store.InboxEntry
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		var changed bool
		if stored, changed, err = store.MarkRead(ctx, tx, userID, r.ID, s.Now()); changed {
			tx.OnCommit(func() { s.changed(userID) })
		}
		return err
	})
	if errors.Is(err, sqldb.ErrNoRows) {
		err = missingNotification(r.ID)
	}
	if err != nil {
		return nil, err
	}
	entries, err := s.renderEntries(ctx, userID, []store.InboxEntry{stored})
	if err != nil {
		return nil, err
	}
	return &notificationResponse{entries[0]}, nil
}

func missingNotification(id string) error {
	return fault.Missing("notification", id, "GET /notifications lists yours")
}

type unreadResponse struct{ Body unreadCount }

func (s *service) countUnread(ctx context.Context, _ *struct{}) (*unreadResponse, error) {
	n, err := store.CountUnread(ctx, s.DB, auth.CallerOf(ctx).UserID)
	return &unreadResponse{unreadCount{n}}, err
}

type readAllRequest struct {
	UpTo string `query:"up_to" maxLength:"100" doc:"The id of a notification: mark only this one and older ones. Without it: all"`
}

// readAll marks notifications as read. A page names the newest one that it shows, so that
// one that has just arrived stays unread.
func (s *service) readAll(ctx context.Context, r *readAllRequest) (*unreadResponse, error) {
	userID := auth.CallerOf(ctx).UserID
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if r.UpTo != "" {
			exists, err := store.HasEntry(ctx, tx, userID, r.UpTo)
			if err != nil {
				return err
			}
			if !exists {
				return missingNotification(r.UpTo)
			}
		}
		read, err := store.MarkAllRead(ctx, tx, userID, r.UpTo, s.Now())
		if read > 0 {
			tx.OnCommit(func() { s.changed(userID) })
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.countUnread(ctx, nil)
}

// renderEntries renders the entries in the present language of their user.
func (s *service) renderEntries(ctx context.Context, userID string, stored []store.InboxEntry) ([]entry, error) {
	recipients, err := store.Recipients(ctx, s.DB, []string{userID})
	if err != nil {
		return nil, err
	}
	entries := make([]entry, len(stored))
	for i, e := range stored {
		text, err := s.renderEntry(recipients[userID].Locale, e)
		if err != nil {
			return nil, err
		}
		entries[i] = entry{
			ID: e.EventID, Kind: e.Kind, Title: text.Title, Body: text.Body,
			OrderID: e.OrderID, CreatedAt: timestamp.Of(e.CreatedAt), ReadAt: timestamp.Of(e.ReadAt),
		}
	}
	return entries, nil
}

// renderEntry renders an entry. One that cannot be rendered gets a generic text, so that
// it does not make the whole inbox fail: its kind may come from another version of this
// service.
func (s *service) renderEntry(locale string, e store.InboxEntry) (content.Entry, error) {
	text, err := s.renderer.Entry(locale, e.Notice)
	if err != nil {
		s.Log.Warn("inbox entry shown with a generic text", "event", e.EventID, "kind", e.Kind, "error", err)
		return s.renderer.GenericEntry(locale, e.Notice)
	}
	return text, nil
}
