package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/money"
	"troupe/test/cluster"
)

// Customers were charged or refunded 100 times too much, or too little, in currencies
// without two decimals: reports InvoicePlane/InvoicePlane#1677, antiwork/gumroad#3749 and
// woocommerce/woocommerce-gateway-stripe#435.
func TestACurrencyWithoutTwoDecimalsIsChargedAndRefundedExactly(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.InTest})
	ada := s.newCustomer(t)
	for written, price := range map[string]money.Money{
		"1500 JPY": {Amount: 500, Currency: "JPY"}, "3.705 KWD": {Amount: 1235, Currency: "KWD"}, "38.97 EUR": {Amount: 1299, Currency: "EUR"},
	} {
		sku := "lantern-" + price.Currency
		s.addProductAt(t, sku, price, 10)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: sku, Quantity: 3})
		require.NoError(t, err)
		require.Equal(t, money.Money{Amount: 3 * price.Amount, Currency: price.Currency}, placed.Total)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		require.NoError(t, ada.CancelOrder(t.Context(), placed.ID))
		s.awaitEvent(t, ada, placed.ID, "payment.refunded.v1")

		var payments struct {
			Items []struct{ Amount money.Money }
		}
		require.NoError(t, ada.Get(t.Context(), "/payments?order_id="+placed.ID, &payments))
		require.Equal(t, placed.Total, payments.Items[0].Amount)
		steps, err := ada.Timeline(t.Context(), placed.ID)
		require.NoError(t, err)
		details := map[string]string{}
		for _, step := range steps {
			details[step.What] = step.Detail
		}
		for _, what := range []string{"payment.authorized.v1", "payment.captured.v1", "payment.refunded.v1"} {
			require.Contains(t, details[what], " "+written, what)
		}
		require.Contains(t, s.mailTexts(t, placed.ID), "refunded "+written)
	}
}

// mailTexts waits for all mails about an order that was paid and cancelled, and returns
// their texts.
func (s *system) mailTexts(t *testing.T, orderID string) (texts string) {
	t.Helper()
	s.requireMails(t, orderID, "order.created", "order.paid", "order.cancelled", "payment.refunded")
	var mailbox struct {
		Items []struct {
			OrderID string `json:"order_id"`
			Text    string `json:"text"`
		}
	}
	require.NoError(t, s.admin.WithBase(s.URL("notifications")).Get(t.Context(), "/mailbox.json?limit=1000", &mailbox))
	for _, m := range mailbox.Items {
		if m.OrderID == orderID {
			texts += m.Text
		}
	}
	return texts
}
