package content_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/money"
	"troupe/services/notifications/internal/content"
)

const orderID = "019b0000-0000-7000-8000-0000deadbeef"

func euros(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

func renderer(t *testing.T) *content.Renderer {
	t.Helper()
	r, err := content.NewRenderer(content.Templates, "Troupe")
	require.NoError(t, err)
	return r
}

func TestAMailIsInTheCustomersLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		notice            content.Notice
		subjectEN, bodyEN string
		subjectDE, bodyDE string
	}{
		{
			content.Notice{Kind: "user.registered"},
			"Welcome to Troupe", "Your account is ready.",
			"Willkommen bei Troupe", "Ihr Konto ist eingerichtet.",
		},
		{
			content.Notice{Kind: "order.created", OrderID: orderID, Amount: euros(2598)},
			"We have received your order DEADBEEF (25.98 EUR)", "Thank you for your order of 25.98 EUR.",
			"Wir haben Ihre Bestellung DEADBEEF erhalten (25,98 EUR)", "Bestellung über 25,98 EUR.",
		},
		{
			content.Notice{Kind: "order.paid", OrderID: orderID, Amount: money.Money{Amount: 500, Currency: "JPY"}},
			"Your order DEADBEEF has been paid (500 JPY)", "your payment of 500 JPY",
			"Ihre Bestellung DEADBEEF ist bezahlt (500 JPY)", "Zahlung über 500 JPY erhalten",
		},
		{
			content.Notice{Kind: "order.cancelled", OrderID: orderID, Amount: euros(2598), Reason: "stock_rejected"},
			"Your order DEADBEEF was cancelled", "an item is out of stock",
			"Ihre Bestellung DEADBEEF wurde storniert", "nicht mehr vorrätig",
		},
		{
			content.Notice{Kind: "order.shipped", OrderID: orderID},
			"Your order DEADBEEF has been shipped", "left our warehouse",
			"Ihre Bestellung DEADBEEF wurde versandt", "Lager verlassen",
		},
		{
			content.Notice{Kind: "payment.refunded", OrderID: orderID, Amount: euros(99)},
			"Refund of 0.99 EUR for your order DEADBEEF", "refunded 0.99 EUR",
			"Erstattung von 0,99 EUR für Ihre Bestellung DEADBEEF", "0,99 EUR auf das verwendete",
		},
	} {
		t.Run(c.notice.Kind, func(t *testing.T) {
			t.Parallel()
			for locale, want := range map[string][2]string{
				"en": {c.subjectEN, c.bodyEN}, "de-AT": {c.subjectDE, c.bodyDE}, "fr": {c.subjectEN, c.bodyEN}, "": {c.subjectEN, c.bodyEN},
				"DE_ch": {c.subjectDE, c.bodyDE}, "gsw": {c.subjectDE, c.bodyDE}, "de-Latn-LI-1996-u-co-phonebk": {c.subjectDE, c.bodyDE},
				"x-private": {c.subjectEN, c.bodyEN}, "zh-Hant-TW": {c.subjectEN, c.bodyEN}, "C.UTF-8": {c.subjectEN, c.bodyEN},
			} {
				got, err := renderer(t).Mail(content.Recipient{Locale: locale}, c.notice, nil)
				require.NoError(t, err)
				require.Equal(t, want[0], got.Subject)
				text, html := partsOf(t, got)
				require.Contains(t, text, want[1])
				require.Contains(t, html, want[1])
			}
		})
	}
}

func TestEachReasonToCancelHasItsOwnText(t *testing.T) {
	t.Parallel()
	for _, locale := range []string{"en", "de"} {
		seen := map[string]string{}
		for _, reason := range []string{"stock_rejected", "payment_declined", "deadline", "customer", "admin", "capture_failed"} {
			e, err := renderer(t).Entry(locale, content.Notice{Kind: "order.cancelled", Amount: euros(1), Reason: reason})
			require.NoError(t, err)
			require.Empty(t, seen[e.Body], "%s has the text of %s", reason, seen[e.Body])
			seen[e.Body] = reason
		}
	}
}

func TestAMailListsTheOrderedProducts(t *testing.T) {
	t.Parallel()
	order := &content.Order{
		Lines: []content.OrderLine{{Name: "Mug", Quantity: 2, UnitPrice: euros(1299)}, {Name: "Tea", Quantity: 1, UnitPrice: euros(450)}},
		Total: euros(3048),
	}
	got, err := renderer(t).Mail(content.Recipient{}, content.Notice{Kind: "order.shipped", OrderID: orderID}, order)
	require.NoError(t, err)
	text, html := partsOf(t, got)
	require.Equal(t, `Hello,

Your parcel has left our warehouse and is on its way to you.

  2 × Mug: 25.98 EUR
  1 × Tea: 4.50 EUR
  Total: 30.48 EUR

Order `+orderID+`

Thank you for shopping with us.
Troupe
`, text)
	require.Contains(t, html, "2 × Mug</td>")
	require.Contains(t, html, "25.98 EUR</td>")
	require.Contains(t, html, "30.48 EUR</td>")
}

// partsOf returns the text and the HTML of a mail, rendered from what the mailbox stores.
func partsOf(t *testing.T, m content.Mail) (text, html string) {
	t.Helper()
	stored, err := json.Marshal(m.Source)
	require.NoError(t, err)
	var source content.Source
	require.NoError(t, json.Unmarshal(stored, &source))
	text, html, err = renderer(t).Parts(source)
	require.NoError(t, err)
	return text, html
}

func TestNamesAreEscapedInHTML(t *testing.T) {
	t.Parallel()
	order := &content.Order{Lines: []content.OrderLine{{Name: "<img src=x>", Quantity: 1, UnitPrice: euros(1)}}, Total: euros(1)}
	got, err := renderer(t).Mail(content.Recipient{},
		content.Notice{Kind: "order.paid", OrderID: orderID, Amount: euros(1)}, order)
	require.NoError(t, err)
	text, html := partsOf(t, got)
	require.NotContains(t, html, "<img")
	require.Contains(t, html, "&lt;img src=x&gt;")
	require.Contains(t, text, "1 × <img src=x>")
}

func TestAnInboxEntryHasTheTitleAndBodyOfItsKind(t *testing.T) {
	t.Parallel()
	e, err := renderer(t).Entry("de", content.Notice{Kind: "payment.declined", Amount: euros(2598), Reason: "insufficient_funds"})
	require.NoError(t, err)
	require.Equal(t, content.Entry{
		Title: "Ihre Zahlung wurde abgelehnt",
		Body:  "Ihre Zahlung über 25,98 EUR wurde abgelehnt, weil das Konto nicht ausreichend gedeckt ist. Es wurde nichts abgebucht.",
	}, e)

	_, err = renderer(t).Entry("en", content.Notice{Kind: "order.vanished"})
	require.ErrorContains(t, err, "order.vanished")
}

func TestAnUnknownKindHasAGenericEntry(t *testing.T) {
	t.Parallel()
	e, err := renderer(t).GenericEntry("en", content.Notice{Kind: "order.vanished", OrderID: orderID})
	require.NoError(t, err)
	require.Equal(t, content.Entry{
		Title: "News about your order DEADBEEF",
		Body:  "The details of this message are not available. Please open your order to see its current status.",
	}, e)

	e, err = renderer(t).GenericEntry("de", content.Notice{Kind: "user.vanished"})
	require.NoError(t, err)
	require.Equal(t, content.Entry{Title: "Neues von Troupe", Body: "Die Einzelheiten dieser Nachricht sind nicht verfügbar."}, e)
}

func TestAKindIsTheEventTypeWithoutItsVersion(t *testing.T) {
	t.Parallel()
	require.Equal(t, "order.created", content.KindOf("order.created.v1"))
	require.Equal(t, "payment.capture_failed", content.KindOf("payment.capture_failed.v12"))
}

func BenchmarkMail(b *testing.B) {
	r, err := content.NewRenderer(content.Templates, "Troupe")
	require.NoError(b, err)
	order := &content.Order{Lines: []content.OrderLine{{Name: "Mug", Quantity: 2, UnitPrice: euros(1299)}, {Name: "Tea", Quantity: 1, UnitPrice: euros(450)}}, Total: euros(3048)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Mail(content.Recipient{}, content.Notice{Kind: "order.paid", OrderID: orderID, Amount: euros(3048)}, order); err != nil {
			b.Fatal(err)
		}
	}
}
