package events

// OrderLine is one product of an order, at the price it was ordered for.
type OrderLine struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity" minimum:"1"`
	UnitPrice Money  `json:"unit_price"` // the price of one piece
}

// OrderCreated is published when a customer places an order. It starts the saga:
// inventory reserves the stock and payments authorizes the money.
type OrderCreated struct {
	OrderID       string      `json:"order_id"`
	UserID        string      `json:"user_id"`
	Lines         []OrderLine `json:"lines"`
	Total         Money       `json:"total"`
	PaymentMethod string      `json:"payment_method"` // a provider's token, never card data
}

// OrderConfirmed is published when the stock is reserved and the money authorized. Now
// inventory commits the stock and payments captures the money.
type OrderConfirmed struct {
	OrderID string `json:"order_id"`
	UserID  string `json:"user_id"`
	Total   Money  `json:"total"`
}

// OrderPaid is published when the stock is committed and the money captured.
type OrderPaid struct {
	OrderID string `json:"order_id"`
	UserID  string `json:"user_id"`
	Amount  Money  `json:"amount"` // what the customer has paid
}

// OrderCancelled is published when an order is cancelled for good. It starts the
// compensations: what was held, committed, authorized or captured is returned.
type OrderCancelled struct {
	OrderID string `json:"order_id"`
	UserID  string `json:"user_id"`
	Total   Money  `json:"total"`
	// Reason is a code. There may be others later.
	Reason string `json:"reason" known:"stock_rejected,payment_declined,deadline,customer,admin,capture_failed"`
}

// OrderShipped is published when an order is handed to the carrier.
type OrderShipped struct {
	OrderID string `json:"order_id"`
	UserID  string `json:"user_id"`
}

// OrderDelivered is published when the customer has received the order.
type OrderDelivered struct {
	OrderID string `json:"order_id"`
	UserID  string `json:"user_id"`
}

func (OrderCreated) EventType() string   { return "order.created.v1" }
func (OrderConfirmed) EventType() string { return "order.confirmed.v1" }
func (OrderPaid) EventType() string      { return "order.paid.v1" }
func (OrderCancelled) EventType() string { return "order.cancelled.v1" }
func (OrderShipped) EventType() string   { return "order.shipped.v1" }
func (OrderDelivered) EventType() string { return "order.delivered.v1" }

func (e OrderCreated) CorrelationID() string   { return e.OrderID }
func (e OrderConfirmed) CorrelationID() string { return e.OrderID }
func (e OrderPaid) CorrelationID() string      { return e.OrderID }
func (e OrderCancelled) CorrelationID() string { return e.OrderID }
func (e OrderShipped) CorrelationID() string   { return e.OrderID }
func (e OrderDelivered) CorrelationID() string { return e.OrderID }
