package console

import (
	"context"
	"strconv"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/view"
)

// mostCounted is how many orders the total of a list counts.
const mostCounted = 10000

type listOrdersRequest struct {
	Status string `query:"status" enum:"pending,confirmed,paid,shipped,delivered,cancelled,"`
	Cause  string `query:"cause" enum:"card_declined,out_of_stock,deadline,customer,capture_failed,stuck,retrying,dead_letter,"`
	User   string `query:"user" maxLength:"100" doc:"The id of a user"`
	Search string `query:"q" maxLength:"100" doc:"The beginning of the id of an order or of a user"`
	Cursor string `query:"cursor" maxLength:"200" doc:"Of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type ordersResponse struct{ Body view.Orders }

func (c *console) registerOrders(api *httpapi.API) {
	httpapi.Get(api, "/console/api/orders", c.getOrders, httpapi.RequireRole(auth.Admin),
		httpapi.Summary("List the orders that the journal knows, newest first"))
}

func (c *console) getOrders(ctx context.Context, in *listOrdersRequest) (*ordersResponse, error) {
	after, err := afterCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	filter := store.OrderFilter{Status: in.Status, Cause: in.Cause, User: in.User, Search: in.Search}
	orders, err := store.Orders(ctx, c.DB, filter, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	page := view.Orders{Items: orders}
	if len(orders) > in.Limit {
		page.Items = orders[:in.Limit]
		last := page.Items[in.Limit-1]
		page.Cursor = httpapi.EncodeCursor(strconv.FormatInt(sqldb.Micros(last.StartedAt), 10), last.ID)
	}
	if page.Items == nil {
		page.Items = []view.OrderSummary{}
	}
	if err := c.bringUpToDate(ctx, page.Items); err != nil {
		return nil, err
	}
	page.Total, err = store.CountMatching(ctx, c.DB, filter, mostCounted)
	return &ordersResponse{page}, err
}

// bringUpToDate brings the lines up to date that change with time alone: those of orders that wait.
func (c *console) bringUpToDate(ctx context.Context, orders []view.OrderSummary) error {
	for i, o := range orders {
		if o.Status != "pending" && o.Status != "confirmed" {
			continue
		}
		line, err := c.summaryOf(ctx, c.DB, o.ID)
		if err != nil {
			return err
		}
		orders[i] = line
	}
	return nil
}

func afterCursor(cursor string) (store.After, error) {
	key, err := httpapi.DecodeCursor(cursor, 2)
	if err != nil || key == nil {
		return store.After{}, err
	}
	micros, err := strconv.ParseInt(key[0], 10, 64)
	if err != nil {
		return store.After{}, fault.New(fault.Invalid, "cursor_invalid", "the cursor does not belong to this list; start again without one").WithCause(err)
	}
	return store.After{StartedAt: sqldb.Time(micros), ID: key[1]}, nil
}
