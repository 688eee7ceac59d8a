package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"troupe/platform/fault"
	"troupe/platform/money"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/story"
)

// fromTimeline returns what the orders service knows of an order, as the records of a
// journal. It fails with fault.NotFound if there is no such order.
func (c *console) fromTimeline(ctx context.Context, id, authorization string) (story.Timeline, error) {
	var o struct {
		UserID       string      `json:"user_id"`
		Total        money.Money `json:"total"`
		CancelReason string      `json:"cancel_reason"`
	}
	path := "/orders/" + url.PathEscape(id)
	if err := c.getPeer(ctx, "orders", path, authorization, &o); err != nil {
		return story.Timeline{}, missingOrder(id, err)
	}
	var timeline struct {
		Items []struct {
			At          timestamp.Time `json:"at"`
			What        string         `json:"what"`
			EventID     string         `json:"event_id"`
			CausationID string         `json:"causation_id"`
		} `json:"items"`
	}
	if err := c.getPeer(ctx, "orders", path+"/timeline", authorization, &timeline); err != nil {
		return story.Timeline{}, missingOrder(id, err)
	}
	data, err := json.Marshal(map[string]any{"order_id": id, "user_id": o.UserID, "total": o.Total, "reason": o.CancelReason})
	if err != nil {
		return story.Timeline{}, err
	}
	known := story.Timeline{OrderID: id, Data: data}
	for _, e := range timeline.Items {
		known.Entries = append(known.Entries, story.TimelineEntry{At: e.At.Time, Type: e.What, EventID: e.EventID, CausationID: e.CausationID})
	}
	return known, nil
}

// missingOrder returns the error for an order that the orders service does not know.
func missingOrder(id string, err error) error {
	if refusal, ok := errors.AsType[*peerError](err); ok && refusal.status < http.StatusInternalServerError {
		return fault.Missing("order", id, "GET /console/api/orders lists those that the console knows").WithCause(err)
	}
	return err
}
