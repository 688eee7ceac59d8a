// Package order holds the rules of an order's life: what a customer may ask for, what
// is known of the order's stock and money, and what follows from that. It knows no
// database, no HTTP and no events.
//
//	pending -> confirmed -> shipped -> delivered
//	   |           |
//	   +-----------+-> cancelled
//
// The reports of other services about an order can arrive in any order, late and
// twice. An order therefore keeps them as Facts: Facts.Merge loses nothing and does
// not depend on order or repetition. Decide draws the conclusions.
package order

import (
	"slices"
	"time"

	"troupe/platform/fault"
	"troupe/platform/money"
	"troupe/services/orders/internal/timeline"
)

// Status is how far an order has come.
type Status string

// The statuses of an order.
const (
	Pending   Status = "pending"   // waiting for stock and money
	Confirmed Status = "confirmed" // stock is reserved and money authorized
	Shipped   Status = "shipped"
	Delivered Status = "delivered"
	Cancelled Status = "cancelled" // final
)

// next lists the statuses that may follow each status.
var next = map[Status][]Status{
	Pending:   {Confirmed, Cancelled},
	Confirmed: {Shipped, Cancelled},
	Shipped:   {Delivered},
}

// Reason is why an order was cancelled.
type Reason string

// The reasons for a cancellation.
const (
	ByCustomer      Reason = "customer"
	ByAdmin         Reason = "admin"
	StockRejected   Reason = "stock_rejected"
	PaymentDeclined Reason = "payment_declined"
	CaptureFailed   Reason = "capture_failed"
	DeadlinePassed  Reason = "deadline"
)

// Line is one product of an order, at the price it was ordered for.
type Line struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Order is a customer's order: what was ordered, and what became of it.
type Order struct {
	ID            string
	UserID        string
	Lines         []Line
	Total         money.Money
	PaymentMethod string    // a provider's token, never card data
	ShipTo        *Address  // nil if none was given, or if it was erased
	Deadline      time.Time // a pending order is cancelled then
	CreatedAt     time.Time

	State
	Reason    Reason // why it was cancelled
	Forget    bool   // the customer's account is deleted: erase the address once the order is final
	UpdatedAt time.Time
	Version   int64 // rises with every change

	Timeline timeline.Timeline // empty in an order that was not read to be changed
}

// IsFinal reports whether the order can no longer change its status.
func (o *Order) IsFinal() bool { return o.Status == Delivered || o.Status == Cancelled }

// IsClosed reports whether nothing more happens to the order that its customer would want
// to know: it was delivered, or it was cancelled and its money returned.
func (o *Order) IsClosed() bool {
	switch o.Status {
	case Delivered:
		return true
	case Cancelled:
		state := o.PaymentState()
		return state == MoneyDeclined || state == MoneyVoided || state == MoneyRefunded
	case Pending, Confirmed, Shipped:
	}
	return false
}

// Record adds facts to what is known of the order.
func (o *Order) Record(f Facts) { o.Facts = o.Facts.Merge(f) }

// CheckDeadline records that the order is overdue, if it is pending and its deadline
// is one of those up to passed.
func (o *Order) CheckDeadline(passed time.Time) {
	if o.Status == Pending && !passed.Before(o.Deadline) {
		o.Record(Facts{Overdue: true})
	}
}

// Apply makes the next decision that follows from what is known, changes the order
// accordingly, and returns the outcome: Nothing if there is nothing to decide.
func (o *Order) Apply() Outcome {
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

// Cancel records a request of the customer or an admin to cancel the order. It has
// no effect if the order is cancelled already. It fails with fault.Conflict once the
// order has been shipped.
func (o *Order) Cancel(by Reason) error {
	switch o.Status {
	case Shipped, Delivered:
		return fault.New(fault.Conflict, "order_shipped",
			"the order is %s and cannot be cancelled any more; send the parcel back instead", o.Status)
	case Pending, Confirmed:
		o.Record(Facts{Cancel: by})
	case Cancelled:
	}
	return nil
}

// Ship moves the order to Shipped. It fails with fault.Conflict unless the order is
// confirmed and paid, which includes that its stock is committed.
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

// Deliver moves the order to Delivered. It fails with fault.Conflict unless the order
// is shipped.
func (o *Order) Deliver() error {
	if o.Status != Shipped {
		return fault.New(fault.Conflict, "order_not_shipped",
			"the order is %s; only a shipped order can be delivered", o.Status)
	}
	o.move(Delivered)
	return nil
}

// CustomerDeleted records that the customer's account is deleted. A pending order is
// cancelled as if the customer had asked for it; a confirmed one is still delivered.
// In both cases the address is erased once the order is final.
func (o *Order) CustomerDeleted() {
	o.Forget = true
	if o.Status == Pending {
		o.Record(Facts{Cancel: ByCustomer})
	}
	o.eraseIfFinal()
}

func (o *Order) move(to Status) {
	if !slices.Contains(next[o.Status], to) {
		panic("order: an order cannot go from " + string(o.Status) + " to " + string(to))
	}
	o.Status = to
	o.eraseIfFinal()
}

func (o *Order) eraseIfFinal() {
	if o.Forget && o.IsFinal() {
		o.ShipTo = nil
	}
}
