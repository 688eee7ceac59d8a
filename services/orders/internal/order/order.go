// Package order is the rules of an order's life: what a customer may ask for,
// what is known of its stock and its money, and what follows from that. It knows
// no database, no HTTP and no event.
//
//	pending -> confirmed -> shipped -> delivered
//	   |           |
//	   +-----------+-> cancelled
//
// What the participants say of an order can arrive in any order, late and twice.
// It is therefore kept as Facts, whose Merge forgets nothing and does not care
// for order or repetition, and Decide draws the conclusion from them.
package order

import (
	"slices"
	"time"

	"troupe/platform/fault"
	"troupe/platform/money"
)

// Status is how far an order has come.
type Status string

// The statuses.
const (
	Pending   Status = "pending"   // waiting for stock and money
	Confirmed Status = "confirmed" // both are promised
	Shipped   Status = "shipped"
	Delivered Status = "delivered"
	Cancelled Status = "cancelled" // off for good
)

// next is where an order may go from each status.
var next = map[Status][]Status{
	Pending:   {Confirmed, Cancelled},
	Confirmed: {Shipped, Cancelled},
	Shipped:   {Delivered},
}

// Reason is why an order was cancelled.
type Reason string

// The reasons.
const (
	ByCustomer      Reason = "customer"
	ByAdmin         Reason = "admin"
	StockRejected   Reason = "stock_rejected"
	PaymentDeclined Reason = "payment_declined"
	CaptureFailed   Reason = "capture_failed"
	DeadlinePassed  Reason = "deadline"
)

// Line is one product of an order at the price it was ordered for.
type Line struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Address is where the parcel goes.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// Order is a customer's order: what was asked for, and what became of it.
type Order struct {
	ID            string
	UserID        string
	Lines         []Line
	Total         money.Money
	PaymentMethod string    // a provider's token, never card data
	ShipTo        *Address  // nil if none was given, or it was forgotten
	Deadline      time.Time // until when stock and money have time to answer
	CreatedAt     time.Time

	State
	Reason    Reason // why it was cancelled
	Forget    bool   // the customer is gone: forget the address once the order is over
	UpdatedAt time.Time
	Version   int64 // rises with every change
}

// Over says whether nothing more can become of the order.
func (o *Order) Over() bool { return o.Status == Delivered || o.Status == Cancelled }

// Hear takes in what somebody said of the order.
func (o *Order) Hear(f Facts) { o.Facts = o.Facts.Merge(f) }

// LookAtClock takes in that the deadline has passed, if it has.
func (o *Order) LookAtClock(now time.Time) {
	if o.Status == Pending && !now.Before(o.Deadline) {
		o.Hear(Facts{Overdue: true})
	}
}

// Advance moves the order on by one conclusion from what is known, and says
// which one; Nothing if there is none to draw.
func (o *Order) Advance() Outcome {
	outcome, reason := Decide(o.State)
	switch outcome {
	case Confirm:
		o.move(Confirmed)
	case Pay:
		o.Paid = true
	case Cancel:
		o.Reason = reason
		o.move(Cancelled)
	case Nothing:
	}
	return outcome
}

// Cancel asks for the end of the order on behalf of the customer or an admin.
// It is no mistake to ask again, or for an order that is cancelled already.
// Fails with fault.Conflict once the parcel has left.
func (o *Order) Cancel(by Reason) error {
	switch o.Status {
	case Shipped, Delivered:
		return fault.New(fault.Conflict, "order_shipped",
			"the order is %s and can not be cancelled any more; send the parcel back instead", o.Status)
	case Pending, Confirmed:
		o.Hear(Facts{Cancel: by})
	case Cancelled:
	}
	return nil
}

// Ship says that the parcel is on its way. Fails with fault.Conflict unless the
// order is confirmed and paid, with its stock taken off the shelf.
func (o *Order) Ship() error {
	switch {
	case o.Status == Pending || o.Status == Confirmed && !o.Paid:
		return fault.New(fault.Conflict, "order_not_paid",
			"the order is %s and not paid yet; ship it after order.paid", o.Status)
	case o.Status != Confirmed:
		return fault.New(fault.Conflict, "order_not_shippable",
			"the order is %s already; only a confirmed and paid order can be shipped", o.Status)
	}
	o.move(Shipped)
	return nil
}

// Deliver says that the parcel has arrived. Fails with fault.Conflict unless it
// is on its way.
func (o *Order) Deliver() error {
	if o.Status != Shipped {
		return fault.New(fault.Conflict, "order_not_shipped",
			"the order is %s; only a shipped order can be delivered", o.Status)
	}
	o.move(Delivered)
	return nil
}

// CustomerLeft takes in that the customer's account is gone. What is not agreed
// on yet is cancelled as if they had asked for it; what is confirmed still
// reaches them. Either way the address is forgotten once the order is over.
func (o *Order) CustomerLeft() {
	o.Forget = true
	if o.Status == Pending {
		o.Hear(Facts{Cancel: ByCustomer})
	}
	o.forgetIfOver()
}

func (o *Order) move(to Status) {
	if !slices.Contains(next[o.Status], to) {
		panic("order: no way from " + string(o.Status) + " to " + string(to))
	}
	o.Status = to
	o.forgetIfOver()
}

func (o *Order) forgetIfOver() {
	if o.Forget && o.Over() {
		o.ShipTo = nil
	}
}
