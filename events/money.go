package events

// Money is an amount in minor units (cents) of an ISO 4217 currency.
type Money struct {
	Amount   int64  `json:"amount"`                        // in minor units, for example cents
	Currency string `json:"currency" pattern:"^[A-Z]{3}$"` // a code of ISO 4217
}
