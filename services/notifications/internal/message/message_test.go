package message_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/money"
	"troupe/services/notifications/internal/message"
)

const orderID = "019b0000-0000-7000-8000-0000deadbeef"

func euros(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

func renderer(t *testing.T) *message.Renderer {
	t.Helper()
	r, err := message.NewRenderer("Troupe")
	require.NoError(t, err)
	return r
}

func TestEveryMailSaysWhatHappenedInTheCustomersLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		notice           message.Notice
		subjectEN, bodEN string
		subjectDE, bodDE string
	}{
		{
			message.Notice{Kind: "user.registered"},
			"Welcome to Troupe, Ada", "Your account is ready.",
			"Willkommen bei Troupe, Ada", "Ihr Konto ist eingerichtet.",
		},
		{
			message.Notice{Kind: "order.created", OrderID: orderID, Amount: euros(2598)},
			"We have your order DEADBEEF (25.98 EUR)", "Thank you for your order of 25.98 EUR.",
			"Ihre Bestellung DEADBEEF ist eingegangen (25.98 EUR)", "Bestellung über 25.98 EUR.",
		},
		{
			message.Notice{Kind: "order.paid", OrderID: orderID, Amount: money.Money{Amount: 500, Currency: "JPY"}},
			"Payment of 500 JPY received for order DEADBEEF", "your payment of 500 JPY",
			"Zahlung von 500 JPY für Bestellung DEADBEEF erhalten", "Zahlung von 500 JPY erhalten",
		},
		{
			message.Notice{Kind: "order.cancelled", OrderID: orderID, Amount: euros(2598), Reason: "stock_rejected"},
			"Your order DEADBEEF is cancelled", "no longer in stock",
			"Ihre Bestellung DEADBEEF ist storniert", "nicht mehr vorrätig",
		},
		{
			message.Notice{Kind: "order.shipped", OrderID: orderID},
			"Your order DEADBEEF is on its way", "left our warehouse",
			"Ihre Bestellung DEADBEEF ist unterwegs", "Lager verlassen",
		},
		{
			message.Notice{Kind: "payment.refunded", OrderID: orderID, Amount: euros(99)},
			"Refund of 0.99 EUR for order DEADBEEF", "refunded 0.99 EUR",
			"Erstattung von 0.99 EUR für Bestellung DEADBEEF", "0.99 EUR auf das verwendete",
		},
	} {
		t.Run(c.notice.Kind, func(t *testing.T) {
			t.Parallel()
			for locale, want := range map[string][2]string{
				"en": {c.subjectEN, c.bodEN}, "de-AT": {c.subjectDE, c.bodDE}, "fr": {c.subjectEN, c.bodEN}, "": {c.subjectEN, c.bodEN},
			} {
				got, err := renderer(t).Mail(message.Recipient{Name: "Ada", Locale: locale}, c.notice, nil)
				require.NoError(t, err)
				require.Equal(t, want[0], got.Subject)
				require.Contains(t, got.Text, want[1])
				require.Contains(t, got.HTML, want[1])
				require.Contains(t, got.Text, "Ada,")
			}
		})
	}
}

func TestEveryReasonToCancelHasItsOwnWords(t *testing.T) {
	t.Parallel()
	for _, locale := range []string{"en", "de"} {
		seen := map[string]string{}
		for _, reason := range []string{"stock_rejected", "payment_declined", "deadline", "customer", "admin", "capture_failed"} {
			e, err := renderer(t).Entry(locale, message.Notice{Kind: "order.cancelled", Amount: euros(1), Reason: reason})
			require.NoError(t, err)
			require.Empty(t, seen[e.Body], "%s reads like %s", reason, seen[e.Body])
			seen[e.Body] = reason
		}
	}
}

func TestAMailListsWhatWasOrdered(t *testing.T) {
	t.Parallel()
	order := &message.Order{
		Lines: []message.Line{{Name: "Mug", Quantity: 2, UnitPrice: euros(1299)}, {Name: "Tea", Quantity: 1, UnitPrice: euros(450)}},
		Total: euros(3048),
	}
	got, err := renderer(t).Mail(message.Recipient{}, message.Notice{Kind: "order.shipped", OrderID: orderID}, order)
	require.NoError(t, err)
	require.Equal(t, `Hello,

Your parcel has left our warehouse.

  2 × Mug: 25.98 EUR
  1 × Tea: 4.50 EUR
  Total: 30.48 EUR

Order `+orderID+`

Thank you for being our customer.
Troupe
`, got.Text)
	require.Contains(t, got.HTML, "2 × Mug</td>")
	require.Contains(t, got.HTML, "25.98 EUR</td>")
	require.Contains(t, got.HTML, "30.48 EUR</td>")
}

func TestWhatACustomerNamedThemselvesIsTextNotMarkup(t *testing.T) {
	t.Parallel()
	order := &message.Order{Lines: []message.Line{{Name: "<img src=x>", Quantity: 1, UnitPrice: euros(1)}}, Total: euros(1)}
	got, err := renderer(t).Mail(message.Recipient{Name: "<script>alert(1)</script> & {{.Shop}}"},
		message.Notice{Kind: "order.paid", OrderID: orderID, Amount: euros(1)}, order)
	require.NoError(t, err)
	require.NotContains(t, got.HTML, "<script")
	require.NotContains(t, got.HTML, "<img")
	require.Contains(t, got.HTML, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{.Shop}}")
	require.Contains(t, got.Text, "Hello <script>alert(1)</script> & {{.Shop}},")
}

func TestAnInboxEntryIsTheMailInShort(t *testing.T) {
	t.Parallel()
	e, err := renderer(t).Entry("de", message.Notice{Kind: "payment.declined", Amount: euros(2598), Reason: "insufficient_funds"})
	require.NoError(t, err)
	require.Equal(t, message.Entry{
		Title: "Ihre Zahlung wurde abgelehnt",
		Body:  "Das Konto war für 25.98 EUR nicht ausreichend gedeckt. Es wurde nichts abgebucht.",
	}, e)

	_, err = renderer(t).Entry("en", message.Notice{Kind: "order.vanished"})
	require.ErrorContains(t, err, "order.vanished")
}

func TestAKindIsTheEventsTypeWithoutItsVersion(t *testing.T) {
	t.Parallel()
	require.Equal(t, "order.created", message.KindOf("order.created.v1"))
	require.Equal(t, "payment.capture_failed", message.KindOf("payment.capture_failed.v12"))
}

func BenchmarkMail(b *testing.B) {
	r, err := message.NewRenderer("Troupe")
	require.NoError(b, err)
	order := &message.Order{Lines: []message.Line{{Name: "Mug", Quantity: 2, UnitPrice: euros(1299)}, {Name: "Tea", Quantity: 1, UnitPrice: euros(450)}}, Total: euros(3048)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Mail(message.Recipient{Name: "Ada"}, message.Notice{Kind: "order.paid", OrderID: orderID, Amount: euros(3048)}, order); err != nil {
			b.Fatal(err)
		}
	}
}
