package console

import (
	"context"

	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/view"
)

type listEventsRequest struct {
	Type    string `query:"type" maxLength:"100" doc:"The type of the event, such as order.created.v1"`
	Service string `query:"service" maxLength:"100"`
	Order   string `query:"order" maxLength:"100" doc:"The id of an order"`
	Outcome string `query:"outcome" enum:"ok,duplicate,retry,dead," doc:"Of attempts to handle an event"`
	After   int64  `query:"after" minimum:"0" doc:"Only entries with a higher seq; 0 begins with the newest"`
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type entriesResponse struct{ Body view.Entries }

func (c *console) registerEvents(api *httpapi.API) {
	httpapi.Get(api, "/console/api/events", c.listEvents, httpapi.RequireRole(auth.Admin),
		httpapi.Summary("List events and the attempts to handle them"))
}

// listEvents returns the entries that follow one, or the newest.
func (c *console) listEvents(ctx context.Context, in *listEventsRequest) (*entriesResponse, error) {
	entries, err := store.Entries(ctx, c.DB, store.Filter{Type: in.Type, Service: in.Service, Order: in.Order, Outcome: in.Outcome}, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	return &entriesResponse{view.Entries{Items: entriesOf(entries)}}, nil
}

func entriesOf(entries []store.Entry) []view.Entry {
	items := make([]view.Entry, 0, len(entries))
	for _, e := range entries {
		items = append(items, entryOf(e))
	}
	return items
}

// entryOf returns an entry of the journal as the console shows it.
func entryOf(e store.Entry) view.Entry {
	r := e.Record
	v := view.Entry{Seq: e.Seq, At: r.At, Kind: string(r.Kind), Service: r.Service, OrderID: r.OrderID}
	switch {
	case r.Kind == journal.Published && r.Event != nil:
		v.Type, v.EventID, v.Data = r.Event.Type, r.Event.ID, r.Event.Data
	case r.Kind == journal.Handled && r.Attempt != nil:
		a := r.Attempt
		v.Type, v.EventID, v.Outcome, v.Attempt, v.Error = a.Type, a.EventID, string(a.Outcome), a.N, a.Error
	}
	return v
}
