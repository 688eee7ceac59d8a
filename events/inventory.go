package events

// ProductChanged is published when a product is added, changed or withdrawn. It carries
// the new values.
type ProductChanged struct {
	SKU    string `json:"sku"`
	Name   string `json:"name"`
	Price  Money  `json:"price"`  // the price of one piece
	Active bool   `json:"active"` // whether it can be ordered
	// Version rises with every change of the product.
	Version int64 `json:"version"`
}

// StockChanged is published when the number of pieces that can be ordered changes.
type StockChanged struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available"` // how many pieces can be ordered now
	// Version rises with every change of the product's stock.
	Version int64 `json:"version"`
}

// StockLine is a quantity of one product.
type StockLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity" minimum:"1"`
}

// Shortage is how many pieces of a product an order wanted and how many were available.
type Shortage struct {
	SKU       string `json:"sku"`
	Wanted    int64  `json:"wanted"`    // how many pieces the order has
	Available int64  `json:"available"` // how many can be ordered
}

// StockReserved is published when all lines of an order are set aside.
type StockReserved struct {
	OrderID string      `json:"order_id"`
	Lines   []StockLine `json:"lines"`
}

// StockRejected is published when a product is short. Nothing is set aside for the order.
type StockRejected struct {
	OrderID string     `json:"order_id"`
	Short   []Shortage `json:"short"` // the products of which there are too few
}

// StockCommitted is published when the reserved stock of a confirmed order has left the
// warehouse for good.
type StockCommitted struct {
	OrderID string      `json:"order_id"`
	Lines   []StockLine `json:"lines"`
}

// StockReleased is published when nothing is held or committed for an order any more,
// because the order was cancelled or its reservation expired.
type StockReleased struct {
	OrderID string      `json:"order_id"`
	Lines   []StockLine `json:"lines"`  // empty if nothing was held or committed
	Reason  string      `json:"reason"` // why the order was cancelled (see order.cancelled), or expired
}

func (ProductChanged) EventType() string { return "product.changed.v1" }
func (StockChanged) EventType() string   { return "stock.changed.v1" }
func (StockReserved) EventType() string  { return "stock.reserved.v1" }
func (StockRejected) EventType() string  { return "stock.rejected.v1" }
func (StockCommitted) EventType() string { return "stock.committed.v1" }
func (StockReleased) EventType() string  { return "stock.released.v1" }

func (e ProductChanged) CorrelationID() string { return e.SKU }
func (e StockChanged) CorrelationID() string   { return e.SKU }
func (e StockReserved) CorrelationID() string  { return e.OrderID }
func (e StockRejected) CorrelationID() string  { return e.OrderID }
func (e StockCommitted) CorrelationID() string { return e.OrderID }
func (e StockReleased) CorrelationID() string  { return e.OrderID }
