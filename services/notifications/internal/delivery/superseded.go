package delivery

import (
	"slices"
	"time"
)

// Fresh is how old a mail may be and still be sent although its order has overtaken it: a
// customer is sent each step of an order that is decided within moments.
const Fresh = 5 * time.Second

// overtakenBy lists for a kind of mail the later kinds after which it is no longer true.
var overtakenBy = map[string][]string{
	"order.created": {"order.paid", "order.shipped", "order.cancelled"},
	"order.paid":    {"order.cancelled"},
}

// SupersededBy returns which of the kinds of mail about an order makes one of this kind
// out of date; empty if none does.
func SupersededBy(kind string, kinds []string) string {
	for _, later := range overtakenBy[kind] {
		if slices.Contains(kinds, later) {
			return later
		}
	}
	return ""
}
