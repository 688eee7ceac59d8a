package events

// ProductChanged: a product is offered, changed or withdrawn; the values are the new ones.
type ProductChanged struct {
	SKU    string `json:"sku"`
	Name   string `json:"name"`
	Price  Money  `json:"price"`
	Active bool   `json:"active"`
	// Version rises with every change of the product.
	Version int64 `json:"version"`
}

// StockChanged: this many can be ordered now.
type StockChanged struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available"`
	// Version rises with every change of the stock.
	Version int64 `json:"version"`
}

// StockLine is a quantity of one product.
type StockLine struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Shortage is what an order wanted and what there was.
type Shortage struct {
	SKU       string `json:"sku"`
	Wanted    int64  `json:"wanted"`
	Available int64  `json:"available"`
}

// StockReserved: everything the order wants is set aside.
type StockReserved struct {
	OrderID string      `json:"order_id"`
	Lines   []StockLine `json:"lines"`
}

// StockRejected: nothing is set aside, because something is short.
type StockRejected struct {
	OrderID string     `json:"order_id"`
	Short   []Shortage `json:"short"`
}

// StockCommitted: what was set aside has left the shelf for good.
type StockCommitted struct {
	OrderID string      `json:"order_id"`
	Lines   []StockLine `json:"lines"`
}

// StockReleased: nothing is held or committed for the order any more. Lines is
// empty if nothing ever was.
type StockReleased struct {
	OrderID string      `json:"order_id"`
	Lines   []StockLine `json:"lines"`
	Reason  string      `json:"reason"`
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
