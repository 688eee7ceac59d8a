// Package events is the contract between the services: the payloads of all events, with
// one file per publisher, and the topology, which lists the consumers of each event. It
// imports no other package of the project, and only services import it.
//
// Within a major version a payload only gains fields. Any other change is a new major
// version (order.created.v2) that is published beside the old one.
package events

// Topology lists, for each type of event, the services that consume it. A service
// without a handler for each of its types, or with a handler for another type, does not
// start. A type without consumers is published all the same: a service that consumes it
// can be added later, without a change to the publisher.
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
