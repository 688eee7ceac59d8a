package events

// PaymentAuthorized: the provider set the money aside.
type PaymentAuthorized struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"`
}

// PaymentDeclined: the provider said no, for good.
type PaymentDeclined struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"`
	Reason    string `json:"reason"` // the provider's code, for example insufficient_funds
}

// PaymentCaptured: the money is ours.
type PaymentCaptured struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"`
}

// PaymentCaptureFailed: the authorised money can not be had any more.
type PaymentCaptureFailed struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"`
	Reason    string `json:"reason"`
}

// PaymentVoided: the authorisation is gone (or never was); the customer owes and lost nothing.
type PaymentVoided struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"`
}

// PaymentRefunded: captured money went back to the customer.
type PaymentRefunded struct {
	OrderID   string `json:"order_id"`
	UserID    string `json:"user_id"`
	PaymentID string `json:"payment_id"`
	Amount    Money  `json:"amount"`
	Reason    string `json:"reason"`
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
