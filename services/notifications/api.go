package notifications

import (
	"context"
	"time"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
)

var errUnknown = fault.New(fault.NotFound, "notification_unknown", "you have no such notification; list yours with GET /notifications")

// entry is a notice as its customer sees it.
type entry struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" example:"order.paid" doc:"What it is about"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	OrderID   string    `json:"order_id,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ReadAt    time.Time `json:"read_at,omitzero" doc:"Absent while unread"`
}

type inboxRequest struct {
	httpapi.PageQuery
	Unread bool `query:"unread" doc:"Only those not read yet"`
}

type inboxReply struct{ Body httpapi.Page[entry] }

type readRequest struct {
	ID string `path:"id" maxLength:"100"`
}

type readReply struct{ Body entry }

func (s *service) serveInbox(api *httpapi.API) {
	httpapi.Get(api, "/notifications", s.listInbox, httpapi.Summary("List my notifications, newest first"))
	httpapi.Post(api, "/notifications/{id}/read", s.markRead, httpapi.Summary("Mark a notification of mine as read"))
}

func (s *service) listInbox(ctx context.Context, r *inboxRequest) (*inboxReply, error) {
	caller, _ := auth.CallerFrom(ctx)
	before, err := r.After()
	if err != nil {
		return nil, err
	}
	notices, err := store.Inbox(ctx, s.db, caller.UserID, r.Unread, before, r.Fetch())
	if err != nil {
		return nil, err
	}
	entries, err := s.show(ctx, caller.UserID, notices)
	if err != nil {
		return nil, err
	}
	asShown := func(e entry) entry { return e }
	return &inboxReply{httpapi.PageOf(r.PageQuery, entries, func(e entry) string { return e.ID }, asShown)}, nil
}

func (s *service) markRead(ctx context.Context, r *readRequest) (*readReply, error) {
	caller, _ := auth.CallerFrom(ctx)
	var n store.Notice
	var found bool
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		n, found, err = store.MarkRead(ctx, tx, caller.UserID, r.ID, s.now())
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errUnknown
	}
	shown, err := s.show(ctx, caller.UserID, []store.Notice{n})
	if err != nil {
		return nil, err
	}
	return &readReply{shown[0]}, nil
}

// show renders notices in the language that their customer reads now.
func (s *service) show(ctx context.Context, userID string, notices []store.Notice) ([]entry, error) {
	recipients, err := store.Recipients(ctx, s.db, []string{userID})
	if err != nil {
		return nil, err
	}
	entries := make([]entry, len(notices))
	for i, n := range notices {
		words, err := s.renderer.Entry(recipients[userID].Locale, n.Notice)
		if err != nil {
			return nil, err
		}
		entries[i] = entry{
			ID: n.EventID, Kind: n.Kind, Title: words.Title, Body: words.Body,
			OrderID: n.OrderID, CreatedAt: n.CreatedAt, ReadAt: n.ReadAt,
		}
	}
	return entries, nil
}
