package console

import (
	"context"
	"net/url"

	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

const (
	maxRecords = 12_000 // of an order that are read; the story cuts what is too much to show
	maxSpans   = 500    // of an order
)

type getOrderRequest struct {
	Authorization string `header:"Authorization" hidden:"true"` // other services are asked with the admin's own token
	ID            string `path:"id" maxLength:"100" doc:"The order's id"`
}

type orderResponse struct{ Body view.Order }

func (c *console) registerOrder(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/console/api/orders/{id}", c.getOrder, admin, httpapi.Summary("Show all that is known about an order"))
	httpapi.Get(api, "/console/api/orders/{id}/bundle", c.getBundle, admin, httpapi.Summary("Export an order as a file"))
	httpapi.Post(api, "/console/api/bundle", c.renderBundle, admin, httpapi.BodyLimit(bundleLimit), httpapi.BodyValues(bundleLimit/2),
		httpapi.Summary("Show the order of a file, without keeping it"))
	c.registerSampleOrder(api)
}

func (c *console) getOrder(ctx context.Context, in *getOrderRequest) (*orderResponse, error) {
	o, _, err := c.order(ctx, in.ID, in.Authorization)
	if err != nil {
		return nil, err
	}
	return &orderResponse{o}, nil
}

// order returns the story of an order and the records that it is made of. What the journal
// lacks is completed from the orders service's own timeline.
func (c *console) order(ctx context.Context, id, authorization string) (view.Order, []journal.Record, error) {
	entries, err := store.OfOrder(ctx, c.DB, id, maxRecords)
	if err != nil {
		return view.Order{}, nil, err
	}
	records := make([]journal.Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	records = append(records, c.traces.OfOrder(id, tracesOf(records), maxSpans)...)
	o := story.Build(records, c.Now())
	if !o.Complete || len(o.Steps) == 0 {
		known, err := c.fromTimeline(ctx, id, authorization)
		switch {
		case err != nil && len(o.Steps) == 0:
			return view.Order{}, nil, err
		case err == nil:
			records = story.Complete(records, known)
			o = story.Build(records, c.Now())
			o.Notes = append(o.Notes, "Its steps are completed from what the orders service keeps.")
		}
	}
	o.Mails = c.mailsOf(ctx, id, authorization)
	return o, records, nil
}

// tracesOf returns the ids of the traces in which the events of the records were published
// and handled.
func tracesOf(records []journal.Record) map[string]bool {
	ids := map[string]bool{}
	for _, r := range records {
		switch {
		case r.Event != nil:
			ids[story.TraceOf(r.Event.Traceparent)] = true
		case r.Attempt != nil:
			ids[story.TraceOf(r.Attempt.Traceparent)] = true
		}
	}
	return ids
}

// mailsOf returns what was sent to the customer about the order. Without an answer of the
// notifications service there is nothing: the page about the order is shown anyway.
func (c *console) mailsOf(ctx context.Context, orderID, authorization string) []view.Mail {
	var page struct {
		Items []struct {
			ID, Channel, Kind, State, Reply string
			CreatedAt                       timestamp.Time `json:"created_at"`
		}
	}
	mails := []view.Mail{}
	if err := c.getPeer(ctx, "notifications", "/deliveries?limit=100&order_id="+url.QueryEscape(orderID), authorization, &page); err != nil {
		return mails
	}
	for _, d := range page.Items {
		mails = append(mails, view.Mail{ID: d.ID, OrderID: orderID, Channel: d.Channel, Kind: d.Kind, State: d.State, Text: d.Reply, At: d.CreatedAt.Time})
	}
	return mails
}
