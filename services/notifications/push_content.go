package notifications

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"sync"
	"time"

	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/push"
	"troupe/services/notifications/internal/store"
)

// maxPushBody is the longest text in a push, in bytes: with it the whole message is
// smaller than what every push service and browser takes.
const maxPushBody = 1500

// pushContent is what a push carries.
type pushContent struct {
	Title   string `json:"title,omitempty"`
	Body    string `json:"body,omitempty"`
	Kind    string `json:"kind"`
	OrderID string `json:"order_id,omitempty"`
	// Tag is the same for pushes of which the browser should show only the last one.
	Tag string `json:"tag"`

	topic string // the same for pushes of which the push service should keep only the last one
}

// pushRenderer returns a function that renders the pushes among the deliveries.
func (s *service) pushRenderer(ctx context.Context, userIDs []string, deliveries []store.Delivery) (func(store.Delivery) (pushContent, error), error) {
	recipients, err := store.Recipients(ctx, s.DB, userIDs)
	if err != nil {
		return nil, err
	}
	digests, err := s.digestNotices(ctx, delivery.Push, deliveries)
	if err != nil {
		return nil, err
	}
	return func(d store.Delivery) (pushContent, error) {
		locale := recipients[d.UserID].Locale
		var text content.Entry
		var err error
		if d.Kind == content.DigestKind {
			text, err = s.renderer.DigestEntry(locale, digests[d.EventID])
		} else {
			text, err = s.renderer.Entry(locale, d.Notice)
		}
		topic := topicOf(d)
		tag := topic
		if tag == "" {
			tag = d.ID
		}
		return pushContent{Title: text.Title, Body: truncate(text.Body, maxPushBody), Kind: d.Kind, OrderID: d.OrderID, Tag: tag, topic: topic}, err
	}, nil
}

// topicOf returns the topic of a push about an order, so that a newer status replaces an
// older one; "" for other pushes. It is a hash, because the push service reads it.
func topicOf(d store.Delivery) string {
	if d.OrderID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("order " + d.OrderID))
	return base64.RawURLEncoding.EncodeToString(sum[:24]) // 32 characters, the most that a topic may have
}

// payloads returns the payloads to try, from all that there is to say to as little as
// possible, with which the browser shows a text of its own.
func (c pushContent) payloads() [][]byte {
	small := c
	small.Body = ""
	smallest := pushContent{Kind: c.Kind, Tag: c.Tag}
	var all [][]byte
	for _, p := range []pushContent{c, small, smallest} {
		encoded, _ := json.Marshal(p) // a struct of strings: never fails
		all = append(all, encoded)
	}
	return all
}

// message returns the message with a payload, which the push service keeps for ttl.
func (c pushContent) message(payload []byte, ttl time.Duration) push.Message {
	m := push.Message{Payload: payload, TTL: max(ttl, 0), Urgency: "normal", Topic: c.topic}
	category, _ := preferences.CategoryOf(c.Kind)
	switch {
	case c.Kind == content.DigestKind:
		m.Urgency = "low"
	case category.Critical():
		m.Urgency = "high"
	}
	return m
}

// truncate returns s, or its beginning with an ellipsis if it has more than limit bytes.
func truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := 0
	for i := range s {
		if i > limit-len("…") {
			break
		}
		end = i
	}
	return s[:end] + "…"
}

// hosts are the push services that could not be reached within a step, with the reasons.
type hosts struct {
	mu      sync.Mutex
	reasons map[string]string
}

func (h *hosts) add(host, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reasons == nil {
		h.reasons = map[string]string{}
	}
	h.reasons[host] = reason
}

func (h *hosts) reason(host string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	reason, down := h.reasons[host]
	return reason, down
}

// hostOf returns the host of an endpoint.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}
