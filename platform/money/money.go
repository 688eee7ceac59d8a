// Package money is amounts of money in minor units of an ISO 4217 currency,
// with arithmetic that reports overflow and mixed currencies instead of
// getting them wrong.
package money

import (
	"math"
	"strconv"
	"strings"

	"troupe/platform/fault"
)

// Money is an amount in minor units, for example 1299 EUR cents. The zero value
// is no amount of no currency.
type Money struct {
	Amount   int64  `json:"amount" doc:"Amount in minor units (cents)" example:"1299"`
	Currency string `json:"currency" doc:"ISO 4217 code" example:"EUR" pattern:"^[A-Z]{3}$"`
}

// New makes an amount. Fails with fault.Invalid for an unknown currency.
func New(amount int64, currency string) (Money, error) {
	if _, known := decimals[currency]; !known {
		return Money{}, fault.New(fault.Invalid, "currency_unknown",
			"%q is no ISO 4217 currency; send a code such as EUR in capitals", currency)
	}
	return Money{amount, currency}, nil
}

// Add adds. Fails with fault.Invalid on overflow or mixed currencies. Zero value + m is m.
func (m Money) Add(n Money) (Money, error) {
	switch {
	case m == Money{}:
		return n, nil
	case n == Money{}:
		return m, nil
	case m.Currency != n.Currency:
		return Money{}, fault.New(fault.Invalid, "currency_mixed",
			"%s and %s can not be added; use one currency", m.Currency, n.Currency)
	}
	sum := m.Amount + n.Amount
	if (sum > m.Amount) != (n.Amount > 0) {
		return Money{}, overflow(m.Currency)
	}
	return Money{sum, m.Currency}, nil
}

// Times multiplies. Fails with fault.Invalid on overflow.
func (m Money) Times(n int64) (Money, error) {
	if m.Amount == 0 || n == 0 {
		return Money{0, m.Currency}, nil
	}
	product := m.Amount * n
	// The one quotient that itself overflows is the lowest amount by -1.
	if n == -1 && m.Amount == math.MinInt64 || product/n != m.Amount {
		return Money{}, overflow(m.Currency)
	}
	return Money{product, m.Currency}, nil
}

func overflow(currency string) error {
	return fault.New(fault.Invalid, "amount_too_large",
		"the amount in %s is too large to be reckoned with; ask for less", currency)
}

// String is for people: "12.99 EUR", with the currency's own number of decimals.
func (m Money) String() string {
	if m == (Money{}) {
		return "0"
	}
	digits := strconv.FormatInt(m.Amount, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	places := decimals[m.Currency]
	if places == 0 {
		return sign + digits + " " + m.Currency
	}
	if missing := places + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - places
	return sign + digits[:point] + "." + digits[point:] + " " + m.Currency
}
