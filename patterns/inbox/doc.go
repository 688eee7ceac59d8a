// Package inbox makes at-least-once delivery take effect exactly once: the id of
// an event and the effect of its handler commit in one transaction, so that a
// second delivery of the same event is recognized and dropped. The pattern is
// also known as the idempotent consumer.
//
// # One transaction per batch
//
// The bus hands over events in batches. Consume decodes a batch, then opens one
// transaction for all of it. In this transaction it inserts a row (event id,
// consumer) for each event into the table inbox and calls the handlers with the
// events whose row is new. An event whose row is already there is a duplicate and
// is dropped. The consumer is part of the key because two services may share one
// database. Events of a type that the service has no handler for are dropped
// without a row. Rows are kept for 14 days and then pruned.
//
// # Handlers without rows
//
// A handler whose own statements are idempotent is registered with Idempotent: an upsert
// under a key of the event (INSERT ... ON CONFLICT DO NOTHING), or an UPDATE that changes
// only what an earlier delivery has not changed. The inbox then writes no row for its
// events, and the key of what the handler stores takes its place. So every delivery reaches
// the handler: a second one must change nothing and add nothing to the outbox, no matter how
// late it comes and what was handled in between. The handler must therefore learn from its
// upsert which rows are new (RETURNING) and publish for those alone, and rows that a
// retention has deleted must not come back. It writes its rows in one order (sorted by key),
// so that two replicas with the same events cannot deadlock. What Then adds must be
// idempotent too. An event that fails is parked with a row in inbox, as ever; delivered
// again it is tried again, and is parked once. servicetest.Twice tests such a handler.
//
// # Major versions
//
// A consumer that has moved to the next major version of a type takes events of the
// earlier one as well, with Upcast:
//
//	sent := inbox.Handle(s.orderSent) // order.sent.v2
//	return []inbox.Handler{sent, inbox.Upcast(sent, upcastOrderSent)}
//
// The topology lists the consumer at both types, so both are delivered to it. First the
// consumers are brought up to date, then the publisher, which publishes the new version in
// place of the old one. When no event of the old type is left, its handler and its line in
// the topology go.
//
// # When handling fails
//
// If the transaction fails, Consume handles each half of the batch in a
// transaction of its own, and halves again those that fail, so that n events with
// one bad one among them cost about 2 log n transactions. An event that fails
// alone is parked: its body moves to the table parked in the service's own
// database, together with its row in inbox. The bus may then acknowledge it, and
// the events beside it are not affected. If the database does not answer, or the
// service is shutting down, no event is to blame: nothing is parked, and Consume
// returns the error, so that the bus delivers the whole batch again.
//
// A parked event is in one of two states:
//
//	                 fails, attempts < 12
//	                     +-------+
//	fails alone          v       |    12th failure, or
//	------------------> retry ---+    a permanent error
//	                    |   | ------------------------> dead
//	           succeeds |   ^                            |
//	                    v   +----------------------------+
//	              row deleted       Replay (attempts = 0)
//
// Step retries the events that are due. The wait doubles from 1 s to 5 min after
// each failure, and half of it is random. After 12 attempts, which take 10 to 20
// minutes, the event is a dead letter: an operator can read it and replay it
// (troupe dead-letters). A replay reaches only the service that failed.
// An error marked with retry.Permanent makes an event dead at once, and so does a
// body that cannot be decoded. An event of an unknown major version of a known
// type is also dead at once; it can be replayed when the service knows that
// version. A batch of events that an earlier version, which read none, has parked is
// replayed event by event.
//
// Handlers that undo a step of a saga, its compensations, are registered with
// NeverGiveUp. Their events never die: what was reserved or charged for a
// cancelled order must be given back, no matter how long that takes.
//
// # When the process crashes
//
// A crash before the commit leaves neither rows nor effects, and the bus delivers
// the batch again. A crash after the commit and before the acknowledgement does
// so too; then every event is a duplicate. An event that itself kills the process
// must not do so forever, and the count of deliveries on the bus (Delivery.Attempt)
// protects against that:
//
//   - Up to attempt 1 a batch is one transaction.
//   - From attempt 2 on, each event of the batch has a transaction of its own.
//   - From attempt 10 on, an event is parked without being tried. Retries are
//     counted in the database before they begin, so the event that kills the
//     process is dead after 12 more attempts, while an event that was only
//     delivered beside it is handled by its first retry.
//
// # Rules for handlers
//
// Handle takes one event at a time, and HandleTogether all events of one or several types in
// a batch, so that it can lock the rows that they change in one order.
//
// A handler must do all its work with the given transaction, and it publishes by
// adding to the outbox in that transaction. It must not call other services, send
// mail or wait: record what is to be done, and let a worker do it. It must not
// keep state in memory, because the transaction may be rolled back after it
// returned. It may be called again with the same events, in smaller batches or
// alone, if the transaction failed. It must expect its events in any order. It
// returns an error if the event should be tried again, and one marked with
// retry.Permanent if trying again cannot help. A panic counts as an error.
package inbox
