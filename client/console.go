package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"troupe/platform/money"
)

// Story is an order as the console shows it: all that happened to it, and why. See the API
// document of the console for what the fields mean.
type Story struct {
	ID      string      `json:"id"`
	Status  string      `json:"status"`
	Verdict string      `json:"verdict"`
	Cause   string      `json:"cause,omitempty"`
	Total   money.Money `json:"total"`
	Lanes   []string    `json:"lanes"`
	Steps   []StoryStep `json:"steps"`
	Folds   []StoryFold `json:"folds"`
	Lines   []StoryLine `json:"lines"`
	Notes   []string    `json:"notes,omitempty"`
}

// StoryStep is an event that a service published (emit), or an attempt to handle one
// (handle).
type StoryStep struct {
	ID           string    `json:"id"`
	Lane         string    `json:"lane"`
	Kind         string    `json:"kind"`
	Type         string    `json:"type"`
	EventID      string    `json:"event_id,omitempty"`
	Label        string    `json:"label"`
	Outcome      string    `json:"outcome"`
	Compensation bool      `json:"compensation"`
	Ghost        bool      `json:"ghost"`
	Error        string    `json:"error,omitempty"`
	At           time.Time `json:"at"`
	TookMicros   int64     `json:"took_us"`
	WaitedMicros int64     `json:"waited_us"`
}

// StoryFold is a time after a step in which nothing happened.
type StoryFold struct {
	After      string `json:"after"`
	TookMicros int64  `json:"took_us"`
}

// StoryLine is what a service logged about the order.
type StoryLine struct {
	At      time.Time         `json:"at"`
	Service string            `json:"service"`
	Level   string            `json:"level"`
	Text    string            `json:"text"`
	Details map[string]string `json:"details,omitempty"`
}

// Story returns an order as the console shows it, for admins.
func (c *Client) Story(ctx context.Context, orderID string) (Story, error) {
	var s Story
	err := c.Get(ctx, "/console/api/orders/"+url.PathEscape(orderID), &s)
	return s, err
}

// Entry is an event that was published, or an attempt to handle one.
type Entry struct {
	Seq     int64           `json:"seq"`
	At      time.Time       `json:"at"`
	Kind    string          `json:"kind"`
	Service string          `json:"service"`
	Type    string          `json:"type"`
	EventID string          `json:"event_id"`
	OrderID string          `json:"order_id,omitempty"`
	Outcome string          `json:"outcome,omitempty"`
	Attempt int             `json:"attempt,omitempty"`
	Error   string          `json:"error,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// EntryFilter selects entries. An empty field selects all.
type EntryFilter struct {
	Type, Service, Order, Outcome string
	After                         int64 // only entries with a higher Seq; 0: the newest
	Limit                         int
}

// Entries returns what the services have published and handled, the newest last, for
// admins.
func (c *Client) Entries(ctx context.Context, f EntryFilter) ([]Entry, error) {
	query := url.Values{"after": {strconv.FormatInt(f.After, 10)}, "limit": {strconv.Itoa(f.Limit)}}
	for name, value := range map[string]string{"type": f.Type, "service": f.Service, "order": f.Order, "outcome": f.Outcome} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var page struct {
		Items []Entry `json:"items"`
	}
	err := c.Get(ctx, "/console/api/events?"+query.Encode(), &page)
	return page.Items, err
}
