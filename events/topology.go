// Package events is the contract between the services: the payloads of all events, with
// one file per publisher, and the topology, which lists the consumers of each event. It
// imports no other package of the project, and only services import it.
//
// Within a major version a payload only gains fields. Any other change is a new major
// version (order.created.v2) that is published beside the old one.
package events

// Requesters lists the services that publish projection.requested, because they keep data
// of other services. Every other event has one publisher.
var Requesters = []string{"notifications", "orders"}

// Compensations lists the consumers that return what an order has taken. They try an event
// that fails without an end, where others give up some time.
var Compensations = map[string][]string{"order.cancelled.v1": {"inventory", "payments"}}

// Topology lists, for each type of event, the services that consume it. A service
// without a handler for each of its types, or with a handler for another type, does not
// start. A type without consumers is published only if EVENTS_PUBLIC is set. A service that
// consumes it can be added later, without a change to the publisher.
var Topology = map[string][]string{
	"user.registered.v1":              {"notifications"},
	"user.updated.v1":                 {"notifications"},
	"user.deleted.v1":                 {"notifications", "orders"},
	"user.password_changed.v1":        {"notifications"},
	"user.signed_in_on_new_device.v1": {"notifications"},
	"session.revoked.v1":              {"inventory", "notifications", "orders", "payments"},
	"session.revoked.v2":              {"inventory", "notifications", "orders", "payments"},

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

	"projection.requested.v1": {"inventory", "users"},

	"notification.sent.v1":   {},
	"notification.failed.v1": {},
}

// published lists the types that each service publishes: those of its file.
var published = map[string][]string{
	"users": {
		"user.registered.v1", "user.updated.v1", "user.deleted.v1", "user.password_changed.v1", "user.signed_in_on_new_device.v1", "session.revoked.v1",
		"session.revoked.v2",
	},
	"inventory":     {"product.changed.v1", "stock.changed.v1", "stock.reserved.v1", "stock.rejected.v1", "stock.committed.v1", "stock.released.v1"},
	"orders":        {"order.created.v1", "order.confirmed.v1", "order.paid.v1", "order.cancelled.v1", "order.shipped.v1", "order.delivered.v1"},
	"payments":      {"payment.authorized.v1", "payment.declined.v1", "payment.captured.v1", "payment.capture_failed.v1", "payment.voided.v1", "payment.refunded.v1"},
	"notifications": {"notification.sent.v1", "notification.failed.v1"},
}

// Published returns the types of the events that a service publishes.
func Published(service string) []string { return published[service] }
