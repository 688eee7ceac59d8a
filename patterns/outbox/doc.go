// Package outbox is a transactional outbox: an event is a row that is written in
// the same transaction as the state change it announces, and a relay publishes the
// rows to the bus. An event of a transaction that was rolled back is never
// published, and an event of a committed transaction is always published, no
// matter what crashes in between.
//
// # Why not publish directly
//
// A service that commits and then publishes loses the event if it crashes in
// between. A service that publishes and then commits announces something that may
// never happen. The database and the bus have no transaction in common (the "dual
// write" problem), but the state and the outbox table do.
//
// # The relay
//
// Step publishes one batch: it selects rows with about 500 events, oldest first,
// publishes the events, waits for the bus to confirm each message, and deletes the
// rows whose events are all confirmed.
// The relay keeps no cursor: what is in the table is what remains to be published.
// A cursor would skip rows, because transactions do not commit in the order of
// their ids. The commit of Add wakes the relay; if it misses that, it looks at the
// table at least once a second.
//
// An event that the bus rejects stays in the table and is published again after
// 1 s, then 2 s, and so on up to 30 s. It does not hold up others. If the bus is not
// available at all, no message is to blame and none is delayed; the worker that
// runs Step backs off instead.
//
// # Many events in a row
//
// A row holds all events of a transaction, up to 50 or 256 KiB: a handler that decides
// about a batch of orders writes one row, and the relay deletes one. Rows cost more than
// bytes. If the bus rejects any of the events, or confirms only some, those that are left get
// a row each. A replica of version 0.1 that runs beside this one leaves such a row alone: it
// would publish its body as one event.
//
// An event that no service consumes gets no row, unless Config.Unconsumed is set.
//
// With Config.Log the relay keeps what it has published in the table event_log, for programs
// outside; see package eventfeed.
//
// # Several relays
//
// On PostgreSQL each replica of a service runs a relay. A relay locks the rows of
// its batch with FOR UPDATE SKIP LOCKED, so another relay takes the rows after
// them. The transaction stays open until the bus has confirmed the batch. SQLite
// has one writer and one relay, so nothing needs to be locked, and an open
// transaction would block the service, or deadlock with a bus that writes to the
// same file. There the relay reads the batch, publishes it outside a transaction,
// and deletes it in a second one.
//
// # What happens on a crash
//
//	crash                                     the event
//	before the commit of Add                  does not exist, nor does the state change
//	after the commit, before publishing       is published by the next relay
//	while publishing                          may be on the bus, and is published again
//	after publishing, before the deletion     is on the bus, and is published again
//	  is committed
//	after that                                is on the bus
//
// So delivery is at least once, and events may arrive out of order: a consumer
// that must apply each event once drops duplicates by id, see package inbox.
package outbox
