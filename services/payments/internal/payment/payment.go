// Package payment is the rules of a payment: what the order wants of it, what
// the provider has done so far, and what is to be asked of the provider next.
// It is pure; who stores it, calls the provider and tells others is elsewhere.
//
// What the order wants (Goal) only ever rises, so it does not matter in which
// order, or how often, its facts are heard:
//
//	Authorize  <  Capture  <  Undo
//
// What the provider has done (State) moves by its answers alone. Whenever either
// changes, next says which operation leads from the one to the other:
//
//	pending ---authorize---> authorized ---capture---> captured
//	   |          \              |    \                   |
//	   |           declined     void   capture_failed   refund
//	   |                         |        |               |
//	   +---------void---------> voided <--+            refunded
//
// One operation is open at a time, and it stays open until the provider has
// answered it for certain. A time-out is no answer: the provider may or may not
// have done it, and has to be asked.
package payment

import (
	"cmp"
	"fmt"
	"time"

	"troupe/platform/money"
)

// Goal is what the order wants.
type Goal int

// The goals, in the order in which they only rise.
const (
	Authorize Goal = iota + 1
	Capture
	Undo
)

// State is what the provider has certainly done.
type State string

// The states. CaptureFailed still holds the authorisation, until it is voided.
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
	Method     string // the provider's token; empty until the order is known
	Goal       Goal
	State      State
	Code       string // why it was declined or not captured
	Reason     string // why it is undone
	Operations []Operation
	CreatedAt  time.Time
	Version    int64 // 0 if never stored
}

// New makes the payment of an order that was not heard of before.
func New(id, orderID string, now time.Time) *Payment {
	return &Payment{ID: id, OrderID: orderID, State: Pending, CreatedAt: now}
}

// Created takes in the order itself, which alone tells how it is paid.
func (p *Payment) Created(userID string, amount money.Money, method string, now time.Time) {
	if p.Method != "" {
		return
	}
	// An order with no method at all is for the provider to decline.
	p.UserID, p.Amount, p.Method = userID, amount, cmp.Or(method, "none")
	p.want(Authorize, now)
}

// Confirmed takes in that the order is certain.
func (p *Payment) Confirmed(userID string, amount money.Money, now time.Time) {
	p.identify(userID, amount)
	p.want(Capture, now)
}

// Cancelled takes in that the order is off. If nothing was ever asked of the
// provider the payment is voided there and then, and a late Created asks nothing.
func (p *Payment) Cancelled(userID string, amount money.Money, reason string, now time.Time) {
	p.identify(userID, amount)
	p.Undo(reason, now)
}

// Undo gives the money back, for good.
func (p *Payment) Undo(reason string, now time.Time) {
	if p.Goal < Undo {
		p.Reason = reason
	}
	p.want(Undo, now)
}

// identify fills in what Created would, if it has not come yet.
func (p *Payment) identify(userID string, amount money.Money) {
	if p.Method == "" {
		p.UserID, p.Amount = userID, amount
	}
}

func (p *Payment) want(g Goal, now time.Time) {
	p.Goal = max(p.Goal, g)
	p.proceed(now)
}

// proceed opens the next operation, if there is one and none is open. For the
// sake of an undo it drops one that is certainly not under way.
func (p *Payment) proceed(now time.Time) {
	if open := p.Open(); open != nil {
		if p.Goal != Undo || open.Status != Due || open.Kind.undoes() {
			return
		}
		open.close(Dropped)
	}
	if p.State == Pending && p.Goal == Undo && !p.everCalled() {
		p.State = Voided
		return
	}
	if kind := p.next(); kind != "" {
		p.Operations = append(p.Operations, Operation{
			Kind: kind, Key: fmt.Sprintf("%s:%s:%d", kind, p.ID, p.count(kind)+1), Status: Due, DueAt: now,
		})
	}
}

// next is the operation that leads from the state towards the goal; "" if there
// is none.
func (p *Payment) next() Kind {
	switch {
	case p.State == Pending && p.Goal == Undo:
		return Void // the authorisation may exist, or may yet come to exist
	case p.State == Pending && p.Method != "":
		return Authorization
	case p.State == Authorized && p.Goal == Capture:
		return CaptureMoney
	case p.State == Authorized && p.Goal == Undo, p.State == CaptureFailed && p.Goal == Undo:
		return Void
	case p.State == Captured && p.Goal == Undo:
		return Refund
	default:
		return ""
	}
}

// Open is the operation that is not yet answered for certain, nil if none is.
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
