package money_test

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/currency"
	"pgregory.net/rapid"

	"troupe/platform/fault"
	"troupe/platform/money"
)

func TestStringHasTheDecimalsOfTheCurrency(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]money.Money{
		"12.99 EUR":                 {Amount: 1299, Currency: "EUR"},
		"0.05 EUR":                  {Amount: 5, Currency: "EUR"},
		"0.00 EUR":                  {Currency: "EUR"},
		"-0.05 EUR":                 {Amount: -5, Currency: "EUR"},
		"-12.99 EUR":                {Amount: -1299, Currency: "EUR"},
		"1299 JPY":                  {Amount: 1299, Currency: "JPY"},
		"-1 JPY":                    {Amount: -1, Currency: "JPY"},
		"1.299 KWD":                 {Amount: 1299, Currency: "KWD"},
		"-92233720368547758.08 USD": {Amount: math.MinInt64, Currency: "USD"},
		"0":                         {},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, m.String())
		})
	}
}

func TestAnUnknownCurrencyIsRefused(t *testing.T) {
	t.Parallel()
	m, err := money.New(1299, "EUR")
	require.NoError(t, err)
	require.Equal(t, money.Money{Amount: 1299, Currency: "EUR"}, m)
	for _, code := range []string{"", "eur", "EURO", "XXX", "XAU", "DEM"} {
		_, err := money.New(1, code)
		require.True(t, fault.Is(err, fault.Invalid), code)
	}
}

func TestOnlyTheZeroValueMixesWithAnyCurrency(t *testing.T) {
	t.Parallel()
	eur, usd := money.Money{Amount: 100, Currency: "EUR"}, money.Money{Amount: 5, Currency: "USD"}
	_, err := eur.Add(usd)
	require.True(t, fault.Is(err, fault.Invalid))

	sum, err := money.Money{}.Add(eur)
	require.NoError(t, err)
	require.Equal(t, eur, sum)
	sum, err = eur.Add(money.Money{})
	require.NoError(t, err)
	require.Equal(t, eur, sum)
}

// amounts prefers the ends of the range, where overflow happens.
var amounts = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-10, 10),
	rapid.Int64Range(math.MinInt64, math.MinInt64+10), rapid.Int64Range(math.MaxInt64-10, math.MaxInt64))

func TestArithmeticIsExactOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts.Draw(t, "a"), amounts.Draw(t, "b")
		m, n := money.Money{Amount: a, Currency: "EUR"}, money.Money{Amount: b, Currency: "EUR"}

		sum, err := m.Add(n)
		requireExact(t, new(big.Int).Add(big.NewInt(a), big.NewInt(b)), "EUR", sum, err)
		product, err := m.Times(b)
		requireExact(t, new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), "EUR", product, err)
	})
}

// FuzzMoney calculates with any amounts: each result is exact and readable, or is
// refused.
func FuzzMoney(f *testing.F) {
	f.Add(int64(1299), int64(3), "EUR")
	f.Fuzz(func(t *testing.T, a, b int64, code string) {
		m, err := money.New(a, code)
		if err != nil {
			require.True(t, fault.Is(err, fault.Invalid))
			return
		}
		require.Equal(t, a, read(t, m.String(), code), "String must show the exact amount")
		sum, err := m.Add(money.Money{Amount: b, Currency: code})
		requireExact(t, new(big.Int).Add(big.NewInt(a), big.NewInt(b)), code, sum, err)
		product, err := m.Times(b)
		requireExact(t, new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), code, product, err)
	})
}

// read returns the amount that String has written.
func read(t *testing.T, text, code string) int64 {
	t.Helper()
	digits, ok := strings.CutSuffix(text, " "+code)
	require.True(t, ok)
	amount, err := strconv.ParseInt(strings.Replace(digits, ".", "", 1), 10, 64)
	require.NoError(t, err)
	return amount
}

func requireExact(t require.TestingT, want *big.Int, code string, got money.Money, err error) {
	if !want.IsInt64() {
		require.True(t, fault.Is(err, fault.Invalid), "overflow must be refused")
		return
	}
	require.NoError(t, err)
	require.Equal(t, money.Money{Amount: want.Int64(), Currency: code}, got)
}

// writtenWithFewer are the currencies with fewer decimals in CLDR than in ISO 4217:
// CLDR has those that people write today, where inflation has made the coins
// worthless, and ISO 4217 those that banks count in.
var writtenWithFewer = strings.Fields("AFN ALL AMD COP GYD IDR IQD IRR KPW LAK LBP MGA MMK MNT MUR PKR RSD SOS SYP TZS UZS YER")

// withdrawn are the currencies that ended after the tables of x/text were made.
var withdrawn = strings.Fields("ANG BGN CUC HRK MRO SLL VEF")

func TestTheTableAgreesWithCLDR(t *testing.T) {
	t.Parallel()
	checked := 0
	for tender := currency.Query(); tender.Next(); checked++ {
		code := tender.Unit().String()
		m, err := money.New(1, code)
		if slices.Contains(withdrawn, code) {
			require.True(t, fault.Is(err, fault.Invalid), code)
			continue
		}
		require.NoError(t, err, code)
		decimals, _ := currency.Standard.Rounding(tender.Unit())
		agrees := m.String() == one(decimals)+" "+code
		require.Equal(t, !slices.Contains(writtenWithFewer, code), agrees, code)
	}
	require.Greater(t, checked, 150)
}

// one returns one minor unit, written with that many decimals.
func one(decimals int) string {
	return []string{"1", "0.1", "0.01", "0.001"}[decimals]
}
