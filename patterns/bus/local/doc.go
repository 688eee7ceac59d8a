// Package local is the bus of a single process: a queue table in the database of
// every consuming service.
//
// # The queue table
//
// Publish inserts a message into the queue table of every service that consumes its
// type, one transaction per service, side by side. There is no table that several
// services share, so there is also no transaction across services: if one database
// fails, Publish reports an error for its messages although other queues may hold
// them already. The outbox then publishes the message again, and the queues that
// have it ignore the second copy, because event_id is the primary key. A copy that
// was already handled and deleted is delivered once more; the inbox drops it by its
// id.
//
// A step reads the oldest rows (up to 256, by event_id, which sorts by time), calls
// the handler, and deletes the rows after the handler has committed. One batch of a
// queue is in flight at a time. Inserting notifies the consumer in memory; a poll
// every second finds what another process has inserted.
//
// # Redelivery
//
// When the handler fails, its rows stay where they are, so the next step reads the
// same batch again. Before it delivers them, it calls the handler with an empty
// batch, and waits until that succeeds. A handler that always fails on one message
// decides by Delivery.Attempt when to park it.
//
// # Attempts
//
// The column attempts counts the deliveries that did not end with an
// acknowledgement. It has to outlive a crash, or a message that kills its process
// would be delivered forever with Attempt 0. But counting every batch before its
// delivery would cost one more transaction per batch, as much as the delivery
// itself. Rows are read in order, so a batch that was interrupted is the oldest one
// again after a restart. Therefore:
//
//   - The first batch of a process, and the first one after a failure, may have been
//     delivered before. Its attempt is counted before the delivery.
//   - The attempt of any other batch is counted only if its handler fails.
//
// So the only attempt that is never counted is the one in which a process crashed
// with a batch that was not its first one since the start or the last failure.
//
// # What a crash does
//
// The handler's transaction and the deletion are two transactions:
//
//	crash before the handler commits   the batch is delivered again
//	crash after it, before the delete  the batch is delivered again; the inbox drops it
//	crash after the delete             the batch is done
//
// Inserting waits for the disk (the outbox forgets the message afterwards). Counting
// and deleting do not: after a power loss they may be undone, and the message is
// then delivered again, which a handler must expect anyway.
package local
