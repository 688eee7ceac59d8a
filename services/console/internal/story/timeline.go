package story

import (
	"encoding/json"
	"slices"
	"time"

	"troupe/events"
	"troupe/patterns/journal"
)

// Timeline is what the orders service knows of an order.
type Timeline struct {
	OrderID string
	Entries []TimelineEntry
	Data    json.RawMessage // the customer, the total, and why it was cancelled, as its events have them
}

// TimelineEntry is an event that the orders service has published or handled.
type TimelineEntry struct {
	At          time.Time // when it was published, or when orders has handled it
	Type        string
	EventID     string
	CausationID string
}

// Complete returns the records with those that the timeline adds to them. A gap is among
// them: what other services have handled is not in the timeline.
func Complete(records []journal.Record, t Timeline) []journal.Record {
	known := map[string]bool{}
	for _, r := range records {
		switch {
		case r.Event != nil:
			known[r.Event.ID] = true
		case r.Attempt != nil && r.Service == "orders":
			known["orders "+r.Attempt.EventID] = true
		}
	}
	completed := append(slices.Clone(records), journal.Record{Kind: journal.Dropped, Service: "orders", OrderID: t.OrderID, Lost: 1})
	for _, e := range t.Entries {
		publisher := publisherOf(e.Type)
		if !known[e.EventID] {
			completed = append(completed, t.published(e, publisher))
		}
		if publisher != "orders" && !known["orders "+e.EventID] {
			completed = append(completed, journal.Record{
				Kind: journal.Handled, At: e.At, Service: "orders", OrderID: t.OrderID,
				Attempt: &journal.Attempt{EventID: e.EventID, Type: e.Type, N: 1, Outcome: journal.OK, ReceivedAt: e.At, StartedAt: e.At, FinishedAt: e.At},
			})
		}
	}
	return completed
}

func (t Timeline) published(e TimelineEntry, publisher string) journal.Record {
	r := journal.Record{
		Kind: journal.Published, At: e.At, Service: publisher, OrderID: t.OrderID,
		Event: &journal.Event{ID: e.EventID, Type: e.Type, CausationID: e.CausationID},
	}
	if publisher == "orders" {
		r.Event.Data = t.Data
	}
	return r
}

// publisherOf returns the service that publishes the events of a type.
func publisherOf(eventType string) string {
	for _, service := range []string{"orders", "inventory", "payments", "notifications", "users"} {
		if slices.Contains(events.Published(service), eventType) {
			return service
		}
	}
	return "unknown"
}
