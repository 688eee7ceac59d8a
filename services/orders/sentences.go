package orders

import (
	"fmt"
	"strings"

	"troupe/events"
	"troupe/platform/money"
	"troupe/services/orders/internal/order"
)

// The sentences of the timeline are for people. Programs use the event types: a
// sentence may change, and old entries keep the sentence they were written with.

// cancelSentences are the sentences for a cancellation.
var cancelSentences = map[order.Reason]string{
	order.ByCustomer:      "Cancelled by the customer",
	order.ByAdmin:         "Cancelled by the shop",
	order.StockRejected:   "Cancelled: out of stock",
	order.PaymentDeclined: "Cancelled: payment declined",
	order.CaptureFailed:   "Cancelled: payment could not be captured",
	order.DeadlinePassed:  "Cancelled: not completed in time",
}

// placedSentence is the sentence for a new order. It mentions products that seem to
// be short, as a hint for those who investigate later; only inventory's reservation
// decides.
func placedSentence(o *order.Order, products map[string]order.Product) string {
	var short []events.Shortage
	pieces := int64(0)
	for _, l := range o.Lines {
		pieces += l.Quantity
		if p := products[l.SKU]; p.StockKnown && p.Available < l.Quantity {
			short = append(short, events.Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: p.Available})
		}
	}
	sentence := fmt.Sprintf("Order placed: %s, %s", count(pieces), o.Total)
	if len(short) > 0 {
		sentence += " (may be out of stock: " + shortages(short) + ")"
	}
	return sentence
}

func stockReservedSentence(e events.StockReserved) string {
	return "Stock reserved: " + pieces(e.Lines)
}

func stockRejectedSentence(e events.StockRejected) string {
	return "Out of stock: " + shortages(e.Short)
}

func stockCommittedSentence(e events.StockCommitted) string {
	return "Stock committed: " + pieces(e.Lines)
}

func stockReleasedSentence(e events.StockReleased) string {
	switch {
	case len(e.Lines) == 0:
		return "Stock released: none was reserved"
	case e.Reason == "expired":
		return "Stock reservation expired: " + pieces(e.Lines)
	}
	return "Stock released: " + pieces(e.Lines)
}

func paymentAuthorizedSentence(e events.PaymentAuthorized) string {
	return "Payment authorized: " + amount(e.Amount)
}

func paymentDeclinedSentence(e events.PaymentDeclined) string {
	return "Payment declined: " + amount(e.Amount) + because(e.Reason)
}

func paymentCapturedSentence(e events.PaymentCaptured) string {
	return "Payment captured: " + amount(e.Amount)
}

func paymentCaptureFailedSentence(e events.PaymentCaptureFailed) string {
	return "Payment could not be captured: " + amount(e.Amount) + because(e.Reason)
}

func paymentVoidedSentence(e events.PaymentVoided) string {
	return "Payment voided: " + amount(e.Amount)
}

// paymentRefundedSentence repeats the reason that an admin wrote. A reason why the
// order was cancelled is in the entry of the cancellation already.
func paymentRefundedSentence(e events.PaymentRefunded) string {
	sentence := "Refunded " + amount(e.Amount)
	if _, known := cancelSentences[order.Reason(e.Reason)]; known || e.Reason == "" {
		return sentence
	}
	return sentence + ": " + e.Reason
}

// because returns a provider's code in words, in parentheses.
func because(code string) string {
	if code == "" {
		return ""
	}
	return " (" + strings.ReplaceAll(code, "_", " ") + ")"
}

func pieces(lines []events.StockLine) string {
	n := int64(0)
	for _, l := range lines {
		n += l.Quantity
	}
	return count(n)
}

func count(pieces int64) string {
	if pieces == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", pieces)
}

func shortages(short []events.Shortage) string {
	parts := make([]string, len(short))
	for i, s := range short {
		parts[i] = fmt.Sprintf("%d of %s ordered, %d available", s.Wanted, s.SKU, s.Available)
	}
	return strings.Join(parts, "; ")
}

func amount(m events.Money) string { return money.Money(m).String() }
