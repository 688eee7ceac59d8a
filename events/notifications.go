package events

// NotificationSent is published when a message was handed over for its recipient.
type NotificationSent struct {
	DeliveryID string `json:"delivery_id"`
	UserID     string `json:"user_id"`
	OrderID    string `json:"order_id,omitempty"`
	Kind       string `json:"kind"` // what the message is about, for example order.paid
	Channel    string `json:"channel"`
}

// NotificationFailed is published when a message was given up: it will not reach its
// recipient.
type NotificationFailed struct {
	DeliveryID string `json:"delivery_id"`
	UserID     string `json:"user_id"`
	OrderID    string `json:"order_id,omitempty"`
	Kind       string `json:"kind"`
	Channel    string `json:"channel"`
	Reason     string `json:"reason"`
}

func (NotificationSent) EventType() string   { return "notification.sent.v1" }
func (NotificationFailed) EventType() string { return "notification.failed.v1" }

func (e NotificationSent) CorrelationID() string   { return orUser(e.OrderID, e.UserID) }
func (e NotificationFailed) CorrelationID() string { return orUser(e.OrderID, e.UserID) }

func orUser(orderID, userID string) string {
	if orderID != "" {
		return orderID
	}
	return userID
}
