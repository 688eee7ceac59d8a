// Package money is amounts of money in minor units of an ISO 4217 currency,
// with arithmetic that reports overflow and mixed currencies instead of
// getting them wrong.
package money

// Money is an amount in minor units, for example 1299 EUR cents. The zero value
// is no amount of no currency.
type Money struct {
	Amount   int64  `json:"amount" doc:"Amount in minor units (cents)" example:"1299"`
	Currency string `json:"currency" doc:"ISO 4217 code" example:"EUR" pattern:"^[A-Z]{3}$"`
}

// New makes an amount. Fails with fault.Invalid for an unknown currency.
func New(amount int64, currency string) (Money, error) { panic("todo") }

// Add adds. Fails with fault.Invalid on overflow or mixed currencies. Zero value + m is m.
func (m Money) Add(n Money) (Money, error) { panic("todo") }

// Times multiplies. Fails with fault.Invalid on overflow.
func (m Money) Times(n int64) (Money, error) { panic("todo") }

// String is for people: "12.99 EUR", with the currency's own number of decimals.
func (m Money) String() string { panic("todo") }
