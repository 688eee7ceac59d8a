package events

// PaymentAuthorized is published when the payment provider has set the money aside.
type PaymentAuthorized struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"` // the money that it is about
}

// PaymentDeclined is published when the payment provider has declined for good.
type PaymentDeclined struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"` // the money that it is about
	Reason    string `json:"reason"` // the provider's code, for example insufficient_funds
}

// PaymentCaptured is published when the authorized money has been collected.
type PaymentCaptured struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"` // the money that it is about
}

// PaymentCaptureFailed is published when the authorized money can no longer be
// collected.
type PaymentCaptureFailed struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"` // the money that it is about
	Reason    string `json:"reason"` // the provider's code, for example expired
}

// PaymentVoided is published when nothing is authorized for the order, or not any more.
// The customer owes nothing and has paid nothing.
type PaymentVoided struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"` // the money that it is about
}

// PaymentRefunded is published when captured money was returned to the customer.
type PaymentRefunded struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"` // the money that it is about
	Reason    string `json:"reason"` // why the order was cancelled (see order.cancelled), or an admin's words
}

func (PaymentAuthorized) EventType() string    { return "payment.authorized.v1" }
func (PaymentDeclined) EventType() string      { return "payment.declined.v1" }
func (PaymentCaptured) EventType() string      { return "payment.captured.v1" }
func (PaymentCaptureFailed) EventType() string { return "payment.capture_failed.v1" }
func (PaymentVoided) EventType() string        { return "payment.voided.v1" }
func (PaymentRefunded) EventType() string      { return "payment.refunded.v1" }

func (e PaymentAuthorized) CorrelationID() string    { return e.OrderID }
func (e PaymentDeclined) CorrelationID() string      { return e.OrderID }
func (e PaymentCaptured) CorrelationID() string      { return e.OrderID }
func (e PaymentCaptureFailed) CorrelationID() string { return e.OrderID }
func (e PaymentVoided) CorrelationID() string        { return e.OrderID }
func (e PaymentRefunded) CorrelationID() string      { return e.OrderID }
