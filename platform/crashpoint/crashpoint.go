// Package crashpoint marks the places where a crash could do harm, so that a test
// can have a process die at each of them. In a normal build Here is empty and
// costs nothing. Built with -tags crashpoints, a process kills itself, as kill -9
// would, when it passes the point named in TROUPE_CRASH_AT:
//
//	TROUPE_CRASH_AT="outbox: published, not deleted"      the first time
//	TROUPE_CRASH_AT="outbox: published, not deleted#3"    the third time
package crashpoint

// Point is a place, named after where it is and what has just happened there.
type Point string

// The points, along the way of an order.
const (
	GatewayAnswered Point = "gateway: answer received, not passed on"

	OrderStored    Point = "orders: order stored, not committed"
	OrderCommitted Point = "orders: order committed, not answered"
	OrdersClaimed  Point = "orders: facts read, nothing decided"
	OrdersDecided  Point = "orders: decided, not committed"

	OutboxWritten   Point = "outbox: written, not committed"
	OutboxCommitted Point = "outbox: committed, relay not woken"
	OutboxRead      Point = "outbox: read, not published"
	OutboxPublished Point = "outbox: published, not deleted"
	OutboxDeleted   Point = "outbox: deleted, not committed"

	LocalPut     Point = "local: put into one queue, maybe not into the others"
	LocalTaken   Point = "local: taken, not handled"
	LocalHandled Point = "local: handled, not taken off the queue"

	RabbitSent    Point = "rabbit: sent, not confirmed"
	RabbitTaken   Point = "rabbit: received, not handled"
	RabbitHandled Point = "rabbit: handled, not acknowledged"

	InboxRecorded Point = "inbox: noted as handled, no effect yet"
	InboxReacted  Point = "inbox: effect written, not committed"

	InventoryMoved Point = "inventory: stock moved, not committed"

	PaymentsClaimed  Point = "payments: calls claimed, none made"
	ProviderEntered  Point = "payments: in the provider's ledger, not committed"
	ProviderDone     Point = "payments: done at the provider, not answered"
	PaymentsAnswered Point = "payments: answered, not recorded"
	PaymentsRecorded Point = "payments: outcome recorded"

	MailsClaimed  Point = "notifications: mails claimed, none sent"
	MailAnnounced Point = "notifications: a mail's last byte announced, not sent"
	MailSent      Point = "notifications: mail handed over, not recorded"
	MailsNoted    Point = "notifications: mails written down, not committed"
	MailsRecorded Point = "notifications: mails recorded"
)

// All are all the points.
var All = []Point{
	GatewayAnswered,
	OrderStored, OrderCommitted, OrdersClaimed, OrdersDecided,
	OutboxWritten, OutboxCommitted, OutboxRead, OutboxPublished, OutboxDeleted,
	LocalPut, LocalTaken, LocalHandled,
	RabbitSent, RabbitTaken, RabbitHandled,
	InboxRecorded, InboxReacted,
	InventoryMoved,
	PaymentsClaimed, ProviderEntered, ProviderDone, PaymentsAnswered, PaymentsRecorded,
	MailsClaimed, MailAnnounced, MailSent, MailsNoted, MailsRecorded,
}
