// Package rabbit is the bus between processes: a topic exchange and one quorum queue
// per service on RabbitMQ 3.10 or later.
//
// # Sessions
//
// A session is one fresh connection with one channel. It is never revived, and the
// client library's own recovery stays off. Delivery tags start at 1 on every channel:
// if a lost channel were replaced under a running handler, its late acknowledgement
// would acknowledge messages on the new channel that were never handled. Here the
// acknowledgement of a closed session is an error, and RabbitMQ delivers its messages
// again. Publishing and consuming use separate connections, so that a broker that
// blocks publishers still lets consumers work.
//
// Every session begins with declaring the whole topology: exchanges, queues and
// bindings that are missing. So it does not matter which program starts first, and a
// deleted queue comes back with the next session.
//
// In production each service has a user of its own that may declare nothing (see
// Definitions). RabbitMQ refuses its first declaration, the bus then checks once that all
// exchanges and queues exist, and later sessions declare nothing.
//
// RabbitMQ keeps the arguments of a queue that exists. One with other arguments is used,
// with a warning, unless Config.RefuseOtherQueues makes Open fail. Check finds it and Move
// replaces it; Bus.Impaired returns what does not work at present.
//
// # Publishing
//
// A message is published once for each of its consumers (ADR 9), with a routing key
// that names both, as in order.created.v1.payments. Each copy is mandatory, persistent
// and confirmed. With one key for all consumers RabbitMQ would return a message only
// if no queue at all takes it, and a consumer without a queue would miss it unnoticed.
// A message without consumers is published once under its type, not mandatory.
//
// Events of one type that are published together share a copy, if Config.EventsPerMessage
// allows it: CloudEvents' batched content mode, a JSON array of at most 32 KiB (ADR 13). An
// event whose body is not JSON with its id is sent alone. A consumer receives single events
// in either case, each with the count of deliveries of its message. A message fails as a
// whole: all of its events are published again.
//
// Publish sends up to 1024 copies, collected into few writes, and then waits up to
// 10 s for all of their confirms. RabbitMQ confirms a copy when a majority of the
// queue's nodes has it on disk. It sends the return of an unroutable copy before its
// confirm.
//
// What the error of a message means:
//
//	nil             every consumer's queue has the message durably
//	ErrUnroutable   RabbitMQ returned a copy: a queue or binding is missing; other
//	                consumers may have the message
//	ErrUnavailable  the connection failed, or the confirms did not come in time: the
//	                message may have arrived at all, some or none of its consumers
//	other errors    this message was not accepted (unknown type, too large) or a
//	                queue refused it (full, or without a majority of its nodes);
//	                other consumers may have it in the latter case
//
// A broker that is low on memory or disk stops reading from publishers and sends a notice
// (connection.blocked). Publish then returns ErrUnavailable at once, and keeps the session
// only to learn when that is over.
//
// In each case the caller publishes the whole message again, as the outbox does.
// Consumers that had it already drop the duplicate by its id. After ErrUnroutable and
// ErrUnavailable the session is closed, and the next call opens a new one.
//
// With Config.Public each event is published once more, alone and under its type, to an
// exchange for programs outside (ADR 14).
//
// # Consuming
//
// A consumer collects a batch of about 256 events, calls the handler, and
// acknowledges the batch with the tag of its last message. If the handler fails, the
// session is closed, and RabbitMQ delivers everything that was not acknowledged again,
// with a higher x-delivery-count, from which Delivery.Attempt is taken. Before it
// opens the next session, the consumer calls the handler with an empty batch until
// that succeeds. Sessions are opened forever, with waits from 100 ms to 10 s and
// jitter.
//
// A message may return to its queue 20 times (x-delivery-limit). One that returns more
// often has probably crashed its consumer each time, and RabbitMQ moves it to the
// exchange troupe.dead and from there to the service's dead letter queue, at least
// once. Subscribe consumes that queue too, with an Attempt above the limit, so that the
// inbox parks the message in the service's database without handling it.
//
// A session without any message for a minute is replaced, because RabbitMQ 3.10 may
// forget a consumer whose queue was deleted and declared again.
package rabbit
