// Package events holds everything that services tell each other: the facts,
// one file per service that states them, and who hears what. It imports nothing
// of ours, and only services import it.
//
// Within a major version a fact only gains fields; anything else is a new
// major (order.created.v2) beside the old one.
package events

// Topology says which services hear each type of event. A type with nobody
// behind it is published all the same, for whoever comes later.
var Topology = map[string][]string{
	"user.registered.v1": {"notifications"},
	"user.updated.v1":    {"notifications"},
	"user.deleted.v1":    {"notifications", "orders"},
	"session.revoked.v1": {"inventory", "notifications", "orders", "payments"},

	"product.changed.v1": {"orders"},
	"stock.changed.v1":   {"orders"},
	"stock.reserved.v1":  {"orders"},
	"stock.rejected.v1":  {"orders"},
	"stock.committed.v1": {"orders"},
	"stock.released.v1":  {"orders"},

	"order.created.v1":   {"inventory", "payments", "notifications"},
	"order.confirmed.v1": {"inventory", "payments"},
	"order.paid.v1":      {"notifications"},
	"order.cancelled.v1": {"inventory", "payments", "notifications"},
	"order.shipped.v1":   {"notifications"},
	"order.delivered.v1": {"notifications"},

	"payment.authorized.v1":     {"orders"},
	"payment.declined.v1":       {"orders", "notifications"},
	"payment.captured.v1":       {"orders"},
	"payment.capture_failed.v1": {"orders"},
	"payment.voided.v1":         {"orders"},
	"payment.refunded.v1":       {"orders", "notifications"},

	"notification.sent.v1":   {},
	"notification.failed.v1": {},
}
