// Package content renders what customers read: notices about their account and orders,
// as mails (HTML and text) and as inbox entries, in the recipient's language. It is pure.
package content

import (
	"path"
	"strings"

	"troupe/platform/money"
)

// Recipient is the customer who reads the text. It has no name: the person who registers an
// address that is not theirs chooses the name, and a mail must not carry a stranger's
// words to the owner of the address.
type Recipient struct {
	Locale      string // BCP 47, for example "de-AT"; one without templates is rendered in the closest language that has some
	Unsubscribe string // the link that ends mails of this kind; empty if there is none
}

// Notice is what a notification is about, before it is rendered.
type Notice struct {
	Kind    string      // the type of the event without its version, for example "order.paid"
	OrderID string      // empty if it is about no order
	Amount  money.Money // zero if it is about no money
	Reason  string      // the event's reason, if it has one
}

// OrderLine is one product of an order.
type OrderLine struct {
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// Order is the content of the order that a notice is about.
type Order struct {
	Lines []OrderLine
	Total money.Money
}

// KindOf returns the kind of notice that an event of a type leads to: the type without
// its last part, which is the version.
func KindOf(eventType string) string {
	return strings.TrimSuffix(eventType, path.Ext(eventType))
}
