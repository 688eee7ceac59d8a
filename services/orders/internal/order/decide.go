package order

import "slices"

// Stock is the furthest state that is known of an order's stock.
type Stock string

// Payment is the furthest state that is known of an order's money.
type Payment string

// The states of the stock.
const (
	StockUnknown   Stock = "none" // no answer yet
	StockReserved  Stock = "reserved"
	StockShort     Stock = "rejected"
	StockCommitted Stock = "committed"
	StockReleased  Stock = "released"
)

// The states of the money.
const (
	MoneyUnknown       Payment = "none" // no answer yet
	MoneyAuthorized    Payment = "authorized"
	MoneyDeclined      Payment = "declined"
	MoneyCaptured      Payment = "captured"
	MoneyCaptureFailed Payment = "capture_failed"
	MoneyVoided        Payment = "voided"
	MoneyRefunded      Payment = "refunded"
	moneyUnresolved    Payment = "unknown" // only returned by PaymentState
)

// Each participant moves along its sequence from left to right and may skip states.
// The rightmost state counts, however the events are ordered. All successes stand to
// the left of all failures, so that no event can hide a failure.
var (
	stockSequence   = []Stock{StockUnknown, StockReserved, StockCommitted, StockShort, StockReleased}
	paymentSequence = []Payment{
		MoneyUnknown, MoneyAuthorized, MoneyCaptured,
		MoneyDeclined, MoneyCaptureFailed, MoneyVoided, MoneyRefunded,
	}
	cancelSequence = []Reason{"", ByCustomer, ByAdmin}
)

// Facts is what the order knows from others so far. The zero value, like StockUnknown
// and MoneyUnknown, stands for no answer yet.
type Facts struct {
	Stock   Stock
	Payment Payment
	Cancel  Reason // ByCustomer or ByAdmin if one of them has cancelled; otherwise empty
	Overdue bool   // the deadline passed before both stock and money were there
}

// Merge returns the union of f and g. It is commutative, associative and idempotent:
// any order and any repetition of the same facts merge to the same result.
func (f Facts) Merge(g Facts) Facts {
	return Facts{
		Stock:   furthest(stockSequence, f.Stock, g.Stock),
		Payment: furthest(paymentSequence, f.Payment, g.Payment),
		Cancel:  furthest(cancelSequence, f.Cancel, g.Cancel),
		Overdue: f.Overdue || g.Overdue,
	}
}

// furthest returns the one of a and b that comes later in sequence; the first element
// of sequence if neither is in it.
func furthest[T comparable](sequence []T, a, b T) T {
	return sequence[max(slices.Index(sequence, a), slices.Index(sequence, b), 0)]
}

// State is all that a decision depends on.
type State struct {
	Status Status
	Paid   bool // the outcome Pay was reached before
	Facts  Facts
}

// Outcome is a decision about an order.
type Outcome string

// The outcomes of a decision.
const (
	Nothing Outcome = ""
	Confirm Outcome = "confirm" // stock is reserved and money authorized
	Pay     Outcome = "pay"     // stock is committed and money captured
	Cancel  Outcome = "cancel"
)

// Decide returns what follows from a state, and the reason if it is Cancel. It is a
// pure function. Since every outcome changes the state, each is reached at most once.
//
// A failure counts more than two successes, and two successes count more than the
// deadline: an answer that comes late but before the decision is accepted.
func Decide(s State) (Outcome, Reason) {
	if s.Status != Pending && s.Status != Confirmed {
		return Nothing, ""
	}
	if reason := s.Facts.reasonToCancel(); reason != "" {
		return Cancel, reason
	}
	switch {
	case s.Status == Pending && s.Facts.stockHeld() && s.Facts.moneyPromised():
		return Confirm, ""
	case s.Status == Pending && s.Facts.Overdue:
		return Cancel, DeadlinePassed
	case s.Status == Confirmed && !s.Paid && s.Facts.settled():
		return Pay, ""
	}
	return Nothing, ""
}

func (f Facts) stockHeld() bool { return f.Stock == StockReserved || f.Stock == StockCommitted }

func (f Facts) moneyPromised() bool {
	return f.Payment == MoneyAuthorized || f.Payment == MoneyCaptured
}

func (f Facts) settled() bool { return f.Stock == StockCommitted && f.Payment == MoneyCaptured }

// reasonToCancel returns why the order must be cancelled; empty if there is no reason.
func (f Facts) reasonToCancel() Reason {
	switch {
	case f.Cancel != "":
		return f.Cancel
	case f.Stock == StockShort || f.Stock == StockReleased:
		return StockRejected
	case f.Payment == MoneyDeclined:
		return PaymentDeclined
	case f.Payment == MoneyCaptureFailed || f.Payment == MoneyVoided:
		return CaptureFailed
	case f.Payment == MoneyRefunded:
		return ByAdmin // before a cancellation, only an admin refunds
	}
	return ""
}

// PaymentState returns the state of the money as the customer sees it. For a cancelled
// order it is unknown until the provider has answered. A failed capture leaves nothing
// behind, like an authorization that was voided.
func (s State) PaymentState() Payment {
	switch {
	case s.Facts.Payment == MoneyCaptureFailed:
		return MoneyVoided
	case s.Status == Cancelled && furthest(paymentSequence, s.Facts.Payment, "") == MoneyUnknown:
		return moneyUnresolved
	}
	return furthest(paymentSequence, s.Facts.Payment, "")
}

// StockState returns the state of the stock as the customer sees it.
func (s State) StockState() Stock { return furthest(stockSequence, s.Facts.Stock, "") }
