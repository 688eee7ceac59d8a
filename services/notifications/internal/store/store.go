// Package store keeps what notifications knows: recipients and orders as
// projections of events, inboxes, deliveries, and the built-in mailbox.
package store

import (
	"embed"

	"troupe/services/notifications/internal/message"
)

// Migrations make the tables; versions from 1001.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// noticeColumns are the columns of a notice, in every table that has one;
// noticeArgs and noticeInto are its values and their destinations.
const noticeColumns = "kind, order_id, amount, currency, reason"

func noticeArgs(n message.Notice) []any {
	return []any{n.Kind, n.OrderID, n.Amount.Amount, n.Amount.Currency, n.Reason}
}

func noticeInto(n *message.Notice) []any {
	return []any{&n.Kind, &n.OrderID, &n.Amount.Amount, &n.Amount.Currency, &n.Reason}
}

// distinct turns ids into arguments, each once.
func distinct(ids []string) []any {
	seen := make(map[string]bool, len(ids))
	values := make([]any, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			values = append(values, id)
		}
	}
	return values
}
