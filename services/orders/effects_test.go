package orders

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/events"
	"troupe/services/orders/internal/order"
)

func TestAnEventWithoutFactsStopsTheStart(t *testing.T) {
	t.Parallel()
	require.NoError(t, checkEffects(eventEffects))
	forgotten := effectOf(order.Facts{}, stockReservedSentence)
	require.EqualError(t, checkEffects(append([]effect{forgotten}, eventEffects...)),
		"orders consumes stock.reserved.v1 but learns nothing from it: "+
			"add its facts to eventEffects in services/orders/effects.go")
}

func TestEachTypeOfEventHasOneEffect(t *testing.T) {
	t.Parallel()
	require.Len(t, effectsByType, len(eventEffects))
	facts := map[order.Facts]string{}
	for _, e := range eventEffects {
		require.NotContains(t, facts, e.facts, "%s and %s mean the same", e.eventType, facts[e.facts])
		facts[e.facts] = e.eventType
		require.Contains(t, events.Topology[e.eventType], name)
	}
}

func TestEveryReasonForACancellationHasASentence(t *testing.T) {
	t.Parallel()
	for _, reason := range []order.Reason{
		order.ByCustomer, order.ByAdmin, order.StockRejected, order.PaymentDeclined, order.CaptureFailed, order.DeadlinePassed,
	} {
		require.NotEmpty(t, cancelSentences[reason], reason)
	}
}

func TestTimelineSentences(t *testing.T) {
	t.Parallel()
	lines, eur := []events.StockLine{{SKU: "tea", Quantity: 1}}, events.Money{Amount: 1299, Currency: "EUR"}
	for want, got := range map[string]string{
		"Stock reserved: 1 item":                             stockReservedSentence(events.StockReserved{Lines: lines}),
		"Stock committed: 1 item":                            stockCommittedSentence(events.StockCommitted{Lines: lines}),
		"Stock released: 1 item":                             stockReleasedSentence(events.StockReleased{Lines: lines, Reason: "customer"}),
		"Stock released: none was reserved":                  stockReleasedSentence(events.StockReleased{Reason: "customer"}),
		"Stock reservation expired: 1 item":                  stockReleasedSentence(events.StockReleased{Lines: lines, Reason: "expired"}),
		"Payment authorized: 12.99 EUR":                      paymentAuthorizedSentence(events.PaymentAuthorized{Amount: eur}),
		"Payment declined: 12.99 EUR (insufficient funds)":   paymentDeclinedSentence(events.PaymentDeclined{Amount: eur, Reason: "insufficient_funds"}),
		"Payment could not be captured: 12.99 EUR (expired)": paymentCaptureFailedSentence(events.PaymentCaptureFailed{Amount: eur, Reason: "expired"}),
		"Payment voided: 12.99 EUR":                          paymentVoidedSentence(events.PaymentVoided{Amount: eur}),
		"Refunded 12.99 EUR":                                 paymentRefundedSentence(events.PaymentRefunded{Amount: eur, Reason: "customer"}),
		"Refunded 12.99 EUR: arrived broken":                 paymentRefundedSentence(events.PaymentRefunded{Amount: eur, Reason: "arrived broken"}),
		"Out of stock: 2 of tea ordered, 1 available":        stockRejectedSentence(events.StockRejected{Short: []events.Shortage{{SKU: "tea", Wanted: 2, Available: 1}}}),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, got)
		})
	}
}
