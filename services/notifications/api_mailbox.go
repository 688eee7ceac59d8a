package notifications

import (
	"context"

	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/notifications/internal/mailbox"
	"troupe/services/notifications/internal/store"
)

type listMailsRequest struct {
	To    string `query:"to" maxLength:"320" doc:"Return only mails to this address"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

type mailView struct {
	ID      string         `json:"id"`
	OrderID string         `json:"order_id,omitempty"`
	From    string         `json:"from"`
	To      string         `json:"to"`
	Subject string         `json:"subject"`
	Text    string         `json:"text"`
	HTML    string         `json:"html"`
	SentAt  timestamp.Time `json:"sent_at"`
}

type mailsResponse struct{ Body httpapi.Page[mailView] }

// serveMailbox adds the built-in mailbox: pages for people, and JSON for programs and
// tests.
func (s *service) serveMailbox(api *httpapi.API, box *mailbox.Mailbox) {
	box.Serve(api)
	httpapi.Get(api, "/mailbox.json", func(ctx context.Context, r *listMailsRequest) (*mailsResponse, error) {
		return s.listMails(ctx, r, box)
	}, httpapi.Public(), httpapi.Summary("List mails in the built-in mailbox, newest first"))
}

func (s *service) listMails(ctx context.Context, r *listMailsRequest, box *mailbox.Mailbox) (*mailsResponse, error) {
	mails, err := store.Mails(ctx, s.DB, store.Search{To: r.To}, r.Limit)
	if err != nil {
		return nil, err
	}
	page := httpapi.Page[mailView]{Items: []mailView{}}
	for _, m := range mails {
		text, html, err := box.Parts(m)
		if err != nil {
			return nil, err
		}
		page.Items = append(page.Items, mailView{
			ID: m.DeliveryID, OrderID: m.OrderID, From: m.From, To: m.To,
			Subject: m.Subject, Text: text, HTML: html, SentAt: timestamp.Of(m.SentAt),
		})
	}
	return &mailsResponse{page}, nil
}
