// Package message is what customers are told and how it reads: notices in plain
// business terms, rendered into mails (HTML and text) and inbox entries in the
// recipient's language. It is pure.
package message

import (
	"path"
	"strings"

	"troupe/platform/money"
)

// Recipient is who is told.
type Recipient struct {
	Name   string
	Locale string // BCP 47, for example "de-AT"; an unknown one reads English
}

// Notice is one thing to tell a customer.
type Notice struct {
	Kind    string      // the event it tells of, for example "order.paid"
	OrderID string      // empty if it is about no order
	Amount  money.Money // zero if it is about no money
	Reason  string      // the event's reason, if it has one
}

// Line is one product of an order.
type Line struct {
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Order is what a notice's order consists of.
type Order struct {
	Lines []Line
	Total money.Money
}

// KindOf is the kind of notice an event leads to: its type without the last
// part, which is the version.
func KindOf(eventType string) string {
	return strings.TrimSuffix(eventType, path.Ext(eventType))
}
