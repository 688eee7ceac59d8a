// Package store holds the tables of notifications: recipients and orders as projections
// of events, inboxes, deliveries, and the built-in mailbox.
package store

import (
	"embed"

	"troupe/services/notifications/internal/content"
)

// Migrations create the tables; their versions begin at 1001.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// noticeColumns are the columns of a notice in every table that has one. noticeValues
// and noticeFields are their values and the fields to scan them into.
const noticeColumns = "kind, order_id, amount, currency, reason"

func noticeValues(n content.Notice) []any {
	return []any{n.Kind, n.OrderID, n.Amount.Amount, n.Amount.Currency, n.Reason}
}

func noticeFields(n *content.Notice) []any {
	return []any{&n.Kind, &n.OrderID, &n.Amount.Amount, &n.Amount.Currency, &n.Reason}
}

// distinct returns the ids as SQL arguments, each once.
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
