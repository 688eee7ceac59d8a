// Package money represents amounts of money in minor units of an ISO 4217 currency.
// Its arithmetic is exact: overflow and mixed currencies are errors.
package money

import (
	"math"
	"strconv"
	"strings"

	"troupe/platform/fault"
)

// Money is an amount in minor units: 1299 EUR is 12.99 euros. The zero value is
// no amount of no currency, to which any amount can be added.
type Money struct {
	Amount   int64  `json:"amount" doc:"Amount in minor units (cents)" example:"1299"`
	Currency string `json:"currency" doc:"ISO 4217 code" example:"EUR" pattern:"^[A-Z]{3}$"`
}

// New returns an amount in the given currency. It fails with fault.Invalid if the
// currency is unknown.
func New(amount int64, currency string) (Money, error) {
	if _, known := decimals[currency]; !known {
		return Money{}, fault.New(fault.Invalid, "currency_unknown",
			"%q is not an ISO 4217 currency; send a code such as EUR, in capitals", currency)
	}
	return Money{amount, currency}, nil
}

// Add returns m + n. It fails with fault.Invalid on overflow and if the currencies
// differ. The zero value plus m is m.
func (m Money) Add(n Money) (Money, error) {
	switch {
	case m == Money{}:
		return n, nil
	case n == Money{}:
		return m, nil
	case m.Currency != n.Currency:
		return Money{}, fault.New(fault.Invalid, "currency_mixed",
			"%s and %s cannot be added; use one currency", m.Currency, n.Currency)
	}
	sum := m.Amount + n.Amount
	if (sum > m.Amount) != (n.Amount > 0) {
		return Money{}, overflow(m.Currency)
	}
	return Money{sum, m.Currency}, nil
}

// Times returns m * n. It fails with fault.Invalid on overflow.
func (m Money) Times(n int64) (Money, error) {
	if m.Amount == 0 || n == 0 {
		return Money{0, m.Currency}, nil
	}
	product := m.Amount * n
	// Only one quotient can overflow itself: the lowest amount divided by -1.
	if n == -1 && m.Amount == math.MinInt64 || product/n != m.Amount {
		return Money{}, overflow(m.Currency)
	}
	return Money{product, m.Currency}, nil
}

// overflow returns the error for a result that does not fit into an int64.
func overflow(currency string) error {
	return fault.New(fault.Invalid, "amount_too_large",
		"the amount in %s is too large; use a smaller amount or quantity", currency)
}

// String returns the amount as people read it, with the currency's own number of
// decimals: "12.99 EUR", "1299 JPY".
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
