package console

import (
	"context"
	"encoding/json"
	"net/url"

	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

const (
	maxRecords    = 12_000 // of an order that are read; the story cuts what is too much to show
	bundleVersion = 1
	bundleLimit   = 16 << 20 // bytes
)

type getOrderRequest struct {
	Authorization string `header:"Authorization" hidden:"true"` // other services are asked with the admin's own token
	ID            string `path:"id" maxLength:"100" doc:"The order's id"`
}

type orderResponse struct{ Body view.Order }

// bundle is an order with all that its story is made of, as a file that can be opened in
// another console.
type bundle struct {
	Version    int               `json:"version" enum:"1" doc:"Of the form of the file"`
	ExportedAt timestamp.Time    `json:"exported_at"`
	Story      view.Order        `json:"story"`
	Records    []json.RawMessage `json:"records" maxItems:"20000" doc:"The records of the journal"`
}

type bundleResponse struct {
	Disposition string `header:"Content-Disposition"`
	Body        bundle
}

// bundleFile is what of a bundle is read.
type bundleFile struct {
	Version    int               `json:"version" doc:"Of the form of the file: 1"`
	ExportedAt timestamp.Time    `json:"exported_at" doc:"The story is as of then"`
	Records    []json.RawMessage `json:"records" maxItems:"20000" doc:"The records of the journal"`
	Story      json.RawMessage   `json:"story,omitempty" doc:"Is not read: the story is made anew from the records"`
}

type renderBundleRequest struct{ Body bundleFile }

func (c *console) registerOrder(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/console/api/orders/{id}", c.getOrder, admin, httpapi.Summary("Show all that is known about an order"))
	httpapi.Get(api, "/console/api/orders/{id}/bundle", c.getBundle, admin, httpapi.Summary("Export an order as a file"))
	httpapi.Post(api, "/console/api/bundle", c.renderBundle, admin, httpapi.BodyLimit(bundleLimit),
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
	o := story.Build(records, c.Now())
	if !o.Complete || len(records) == 0 {
		known, err := c.fromTimeline(ctx, id, authorization)
		switch {
		case err != nil && len(records) == 0:
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

func (c *console) getBundle(ctx context.Context, in *getOrderRequest) (*bundleResponse, error) {
	o, records, err := c.order(ctx, in.ID, in.Authorization)
	if err != nil {
		return nil, err
	}
	b := bundle{Version: bundleVersion, ExportedAt: timestamp.Of(c.Now()), Story: o, Records: make([]json.RawMessage, len(records))}
	for i, r := range records {
		if b.Records[i], err = json.Marshal(r); err != nil {
			return nil, err
		}
	}
	return &bundleResponse{Disposition: `attachment; filename="order-` + url.PathEscape(o.ID) + `.json"`, Body: b}, nil
}

func (c *console) renderBundle(_ context.Context, in *renderBundleRequest) (*orderResponse, error) {
	if in.Body.Version != bundleVersion {
		return nil, fault.New(fault.Invalid, "bundle_version_unknown", "the file has the version %d; this console reads version %d", in.Body.Version, bundleVersion)
	}
	records := make([]journal.Record, len(in.Body.Records))
	for i, r := range in.Body.Records {
		if err := json.Unmarshal(r, &records[i]); err != nil {
			return nil, fault.New(fault.Invalid, "bundle_invalid", "record %d of the file is not a record of the journal; export the order again", i).WithCause(err)
		}
	}
	if len(records) == 0 {
		return nil, fault.New(fault.Invalid, "bundle_empty", "the file has no records; export the order again")
	}
	o := story.Build(records, in.Body.ExportedAt.Time)
	if _, err := json.Marshal(o); err != nil { // such as a time after the year 9999
		return nil, fault.New(fault.Invalid, "bundle_invalid", "the file has a record that no journal makes; export the order again").WithCause(err)
	}
	return &orderResponse{o}, nil
}
