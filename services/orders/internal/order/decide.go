package order

import "slices"

// Stock is the furthest that is known of an order's stock.
type Stock string

// Payment is the furthest that is known of an order's money.
type Payment string

// What can be known of the stock.
const (
	StockUnknown   Stock = "none" // no answer yet
	StockReserved  Stock = "reserved"
	StockShort     Stock = "rejected"
	StockCommitted Stock = "committed"
	StockReleased  Stock = "released"
)

// What can be known of the money.
const (
	MoneyUnknown       Payment = "none" // no answer yet
	MoneyAuthorized    Payment = "authorized"
	MoneyDeclined      Payment = "declined"
	MoneyCaptured      Payment = "captured"
	MoneyCaptureFailed Payment = "capture_failed"
	MoneyVoided        Payment = "voided"
	MoneyRefunded      Payment = "refunded"
	moneyOpen          Payment = "unknown" // only shown: see PaymentState
)

// Each participant walks its line from left to right, leaving stations out.
// Whatever the order in which its words arrive, the rightmost is what counts.
// All yeses stand left of all noes, so that no word can hide a no.
var (
	stockLine   = []Stock{StockUnknown, StockReserved, StockCommitted, StockShort, StockReleased}
	paymentLine = []Payment{
		MoneyUnknown, MoneyAuthorized, MoneyCaptured,
		MoneyDeclined, MoneyCaptureFailed, MoneyVoided, MoneyRefunded,
	}
	cancelLine = []Reason{"", ByCustomer, ByAdmin}
)

// Facts is what others have said of an order so far. The zero value, or
// StockUnknown and MoneyUnknown, is no word from anybody.
type Facts struct {
	Stock   Stock
	Payment Payment
	Cancel  Reason // ByCustomer or ByAdmin if one of them asked for the end
	Overdue bool   // the deadline passed before stock and money were both there
}

// Merge adds what g knows. It is commutative, associative and idempotent: any
// order and any repetition of the same facts merge to the same.
func (f Facts) Merge(g Facts) Facts {
	return Facts{
		Stock:   furthest(stockLine, f.Stock, g.Stock),
		Payment: furthest(paymentLine, f.Payment, g.Payment),
		Cancel:  furthest(cancelLine, f.Cancel, g.Cancel),
		Overdue: f.Overdue || g.Overdue,
	}
}

// furthest is the one of a and b further down the line; line[0] if neither is on it.
func furthest[T comparable](line []T, a, b T) T {
	return line[max(slices.Index(line, a), slices.Index(line, b), 0)]
}

// State is all that a decision depends on.
type State struct {
	Status Status
	Paid   bool // that it is paid was concluded before
	Facts  Facts
}

// Outcome is a conclusion.
type Outcome string

// The outcomes.
const (
	Nothing Outcome = ""
	Confirm Outcome = "confirm" // stock is held and money authorised
	Pay     Outcome = "pay"     // stock is committed and money captured
	Cancel  Outcome = "cancel"
)

// Decide says what follows from a state, and why if it is Cancel. It is pure,
// and as every outcome changes the state, each is drawn at most once.
//
// A no counts more than two yeses, and two yeses count more than the deadline:
// an answer that came late, but before anybody decided, is good.
func Decide(s State) (Outcome, Reason) {
	if s.Status != Pending && s.Status != Confirmed {
		return Nothing, ""
	}
	if no := s.Facts.refusal(); no != "" {
		return Cancel, no
	}
	switch {
	case s.Status == Pending && s.Facts.held() && s.Facts.promised():
		return Confirm, ""
	case s.Status == Pending && s.Facts.Overdue:
		return Cancel, DeadlinePassed
	case s.Status == Confirmed && !s.Paid && s.Facts.settled():
		return Pay, ""
	}
	return Nothing, ""
}

func (f Facts) held() bool { return f.Stock == StockReserved || f.Stock == StockCommitted }

func (f Facts) promised() bool { return f.Payment == MoneyAuthorized || f.Payment == MoneyCaptured }

func (f Facts) settled() bool { return f.Stock == StockCommitted && f.Payment == MoneyCaptured }

// refusal is the reason not to go on, if there is one.
func (f Facts) refusal() Reason {
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
		return ByAdmin // nobody else gives money back before we cancel
	}
	return ""
}

// PaymentState is the order's money as its customer sees it. Of a cancelled
// order it is unknown until the provider's answer is in; a capture that failed
// leaves nothing behind, like an authorisation that was voided.
func (s State) PaymentState() Payment {
	switch {
	case s.Facts.Payment == MoneyCaptureFailed:
		return MoneyVoided
	case s.Status == Cancelled && furthest(paymentLine, s.Facts.Payment, "") == MoneyUnknown:
		return moneyOpen
	}
	return furthest(paymentLine, s.Facts.Payment, "")
}

// StockState is the order's stock as its customer sees it.
func (s State) StockState() Stock { return furthest(stockLine, s.Facts.Stock, "") }
