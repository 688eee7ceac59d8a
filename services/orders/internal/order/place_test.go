package order

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/platform/fault"
	"troupe/platform/money"
)

var onOffer = map[string]Product{
	"tea":    {SKU: "tea", Name: "Tea", Price: money.Money{Amount: 350, Currency: "EUR"}, Active: true},
	"cup":    {SKU: "cup", Name: "Cup", Price: money.Money{Amount: 1200, Currency: "EUR"}, Active: true},
	"sample": {SKU: "sample", Name: "Sample", Price: money.Money{Currency: "EUR"}, Active: true},
	"scone":  {SKU: "scone", Name: "Scone", Price: money.Money{Amount: 250, Currency: "GBP"}, Active: true},
	"ghost":  {SKU: "ghost", Name: "Ghost", Price: money.Money{Amount: 1, Currency: "EUR"}},
	"moon":   {SKU: "moon", Name: "Moon", Price: money.Money{Amount: math.MaxInt64 - 100, Currency: "EUR"}, Active: true},
}

func request(items ...Item) PlaceOrder {
	return PlaceOrder{UserID: "ada", Items: items, PaymentMethod: "pm_card_visa"}
}

func TestAnOrderIsPlacedAtTheCurrentPrices(t *testing.T) {
	t.Parallel()
	o, err := Place("1", request(Item{"tea", 2}, Item{"cup", 1}, Item{"sample", 3}), onOffer, noon, time.Minute)
	require.NoError(t, err)
	require.Equal(t, money.Money{Amount: 1900, Currency: "EUR"}, o.Total)
	require.Equal(t, Line{SKU: "tea", Name: "Tea", Quantity: 2, UnitPrice: money.Money{Amount: 350, Currency: "EUR"}}, o.Lines[0])
	require.Equal(t, Pending, o.Status)
	require.Equal(t, noon.Add(time.Minute), o.Deadline)
	require.Equal(t, MoneyUnknown, o.PaymentState())
	require.Equal(t, StockUnknown, o.StockState())
}

func TestARequestThatCannotBeMetIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		items []Item
		code  string
		field string
	}{
		"unknown product":         {[]Item{{"tea", 1}, {"nothing", 1}}, "sku_unknown", "body.items[1].sku"},
		"withdrawn product":       {[]Item{{"ghost", 1}}, "sku_inactive", "body.items[0].sku"},
		"two currencies":          {[]Item{{"tea", 1}, {"scone", 1}}, "currency_mixed", "body.items[1]"},
		"a line total too large":  {[]Item{{"moon", 2}}, "amount_too_large", "body.items[0]"},
		"a total too large":       {[]Item{{"moon", 1}, {"tea", 1}}, "amount_too_large", "body.items[1]"},
		"free and two currencies": {[]Item{{"sample", 1}, {"scone", 1}}, "currency_mixed", "body.items[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Place("1", request(c.items...), onOffer, noon, time.Minute)
			var f *fault.Error
			require.True(t, errors.As(err, &f), "%v", err)
			require.Equal(t, fault.Invalid, f.Kind)
			require.Equal(t, c.code, f.Code)
			require.Equal(t, c.field, f.Fields[0].Location)
		})
	}
}

func TestAProductIsRequestedOnce(t *testing.T) {
	t.Parallel()
	require.NoError(t, request(Item{"tea", 1}, Item{"cup", 1}).ValidateItems())
	err := request(Item{"tea", 1}, Item{"cup", 1}, Item{"tea", 2}).ValidateItems()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "body.items[2].sku", f.Fields[0].Location)
}

func TestTheTotalIsTheSumOfItsLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.Int64Range(0, 1e9)
		products, items, sum := map[string]Product{}, []Item{}, int64(0)
		for _, sku := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,8}`), 1, 100, rapid.ID).Draw(t, "skus") {
			p := Product{SKU: sku, Price: money.Money{Amount: price.Draw(t, "price"), Currency: "EUR"}, Active: true}
			q := rapid.Int64Range(1, 1000).Draw(t, "quantity")
			products[sku], items, sum = p, append(items, Item{sku, q}), sum+q*p.Price.Amount
		}
		o, err := Place("1", request(items...), products, noon, time.Minute)
		require.NoError(t, err)
		require.Equal(t, money.Money{Amount: sum, Currency: "EUR"}, o.Total)
	})
}
