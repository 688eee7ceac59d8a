// Package payment holds the rules of a payment: what the order wants of it, what
// the provider has done so far, and what to ask of the provider next. It is pure:
// storing payments, calling the provider and publishing events is done elsewhere.
//
// What the order wants (Goal) only ever rises, so the order of its events does not
// matter, nor does a repetition:
//
//	authorize  <  capture  <  undo
//
// What the provider has done (State) changes by its responses alone. Whenever
// either changes, next determines the operation that leads from State towards Goal:
//
//	pending ---authorize---> authorized ---capture---> captured
//	   |          \              |    \                   |
//	   |           declined     void   capture_failed   refund
//	   |                         |        |               |
//	   +---------void---------> voided <--+            refunded
//
// One operation is open at a time, and it stays open until the outcome at the
// provider is certain. A timeout is not an outcome: the provider may have executed
// the operation or not, so it is asked.
package payment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"troupe/platform/money"
)

// Goal is what the order wants.
type Goal int

// The goals, in the order in which they rise. Their numbers are stored.
const (
	GoalAuthorize Goal = iota + 1 // hold the money
	GoalCapture                   // take it
	GoalUndo                      // void or refund it
)

// State is what the provider has certainly done.
type State string

// The states. While a payment is CaptureFailed, the authorization still holds the
// money, until it is voided.
const (
	Pending       State = "pending"
	Authorized    State = "authorized"
	Declined      State = "declined"
	Captured      State = "captured"
	CaptureFailed State = "capture_failed"
	Voided        State = "voided"
	Refunded      State = "refunded"
)

// Payment is the money of one order.
type Payment struct {
	ID         string
	OrderID    string
	UserID     string
	Amount     money.Money
	Method     string // the provider's token for it; empty until the order is known
	Goal       Goal
	State      State
	Code       string // why it was declined or not captured
	Reason     string // why it is undone
	Operations []Operation
	CreatedAt  time.Time
	Version    int64 // 0 if never stored
}

// New returns the payment of an order that no event has mentioned before.
func New(id, orderID string, now time.Time) *Payment {
	return &Payment{ID: id, OrderID: orderID, State: Pending, CreatedAt: now}
}

// Clone returns a copy of p that later changes of p leave as it is.
func (p *Payment) Clone() *Payment {
	c := *p
	c.Operations = slices.Clone(p.Operations)
	return &c
}

// Equal reports whether p and q are the same in all that Apply, Claim, HandBack and
// Answered can change.
func (p *Payment) Equal(q *Payment) bool {
	return p.UserID == q.UserID && p.Amount == q.Amount && p.Method == q.Method && p.Goal == q.Goal && p.State == q.State &&
		p.Code == q.Code && p.Reason == q.Reason && slices.Equal(p.Operations, q.Operations)
}

// CommandKind is what a Command asks for.
type CommandKind string

// The kinds of commands.
const (
	OrderCreated   CommandKind = "order created"   // authorize the money
	OrderConfirmed CommandKind = "order confirmed" // capture it
	OrderCancelled CommandKind = "order cancelled" // void or refund it
	RefundRequest  CommandKind = "refund request"  // an admin returns captured money
)

// Command is what an event about an order, or a request, asks of the order's
// payment.
type Command struct {
	Kind   CommandKind
	UserID string      // for events
	Amount money.Money // for events
	Method string      // for OrderCreated, which alone knows it
	Reason string      // for OrderCancelled and RefundRequest
	Cause  Cause       // the event; zero for a request
}

// Apply changes p as c asks. The commands of an order may be applied in any order
// and any number of times: the payment always ends the same.
func (p *Payment) Apply(c Command, now time.Time) {
	operations := len(p.Operations)
	switch c.Kind {
	case OrderCreated:
		p.created(c, now)
	case OrderConfirmed:
		p.identify(c)
		p.want(GoalCapture, now)
	case OrderCancelled:
		p.identify(c)
		p.undo(c.Reason, now)
	case RefundRequest:
		p.undo(c.Reason, now)
	default:
		panic("payment: unknown kind of command " + string(c.Kind))
	}
	if len(p.Operations) > operations {
		p.setCause(c.Cause)
	}
}

func (p *Payment) created(c Command, now time.Time) {
	if p.Method != "" {
		return
	}
	// An order without a payment method is declined by the provider.
	p.UserID, p.Amount, p.Method = c.UserID, c.Amount, cmp.Or(c.Method, "none")
	p.want(GoalAuthorize, now)
}

// undo returns the money, for good. If the provider was never called, the payment
// is voided at once and is a tombstone: when OrderCreated arrives later, nothing is
// authorized.
func (p *Payment) undo(reason string, now time.Time) {
	if p.Goal < GoalUndo {
		p.Reason = reason
	}
	p.want(GoalUndo, now)
}

// identify sets what OrderCreated would set, if that has not been applied yet.
func (p *Payment) identify(c Command) {
	if p.Method == "" {
		p.UserID, p.Amount = c.UserID, c.Amount
	}
}

// setCause stores the cause in the open operation, if it has none yet.
func (p *Payment) setCause(c Cause) {
	if open := p.Open(); open != nil && open.Cause == (Cause{}) {
		open.Cause = c
	}
}

func (p *Payment) want(g Goal, now time.Time) {
	p.Goal = max(p.Goal, g)
	p.proceed(now)
}

// proceed opens the next operation, if there is one and none is open. If the goal
// is to undo, it first drops an open operation that is certainly not in progress.
func (p *Payment) proceed(now time.Time) {
	if open := p.Open(); open != nil {
		if p.Goal != GoalUndo || open.Status != Due || open.Kind.undoes() {
			return
		}
		open.close(Dropped)
	}
	if p.State == Pending && p.Goal == GoalUndo && !p.everCalled() {
		p.State = Voided
		return
	}
	if kind := p.next(); kind != "" {
		p.Operations = append(p.Operations, Operation{
			Kind: kind, Key: fmt.Sprintf("%s:%s:%d", kind, p.ID, p.count(kind)+1), Status: Due, DueAt: now,
		})
	}
}

// next returns the operation that leads from the state towards the goal; "" if
// there is none.
func (p *Payment) next() Kind {
	switch {
	case p.State == Pending && p.Goal == GoalUndo:
		return Void // the authorization may exist, or may take effect later
	case p.State == Pending && p.Method != "":
		return Authorize
	case p.State == Authorized && p.Goal == GoalCapture:
		return Capture
	case p.State == Authorized && p.Goal == GoalUndo, p.State == CaptureFailed && p.Goal == GoalUndo:
		return Void
	case p.State == Captured && p.Goal == GoalUndo:
		return Refund
	default:
		return ""
	}
}

// Open returns the operation whose outcome is not yet certain; nil if there is none.
func (p *Payment) Open() *Operation {
	if n := len(p.Operations); n > 0 && p.Operations[n-1].open() {
		return &p.Operations[n-1]
	}
	return nil
}

func (p *Payment) everCalled() bool {
	for _, o := range p.Operations {
		if o.Attempts > 0 {
			return true
		}
	}
	return false
}

func (p *Payment) count(k Kind) (n int) {
	for _, o := range p.Operations {
		if o.Kind == k {
			n++
		}
	}
	return n
}
