// Package eventfeed connects programs outside with the events of a service, without a
// broker: they read what the service has published, and publish events themselves, which
// are checked first.
//
// The relay of the outbox keeps what it has published in the table event_log
// (outbox.Config.Log), in the transaction that deletes it from the outbox. Each event has a
// position. Positions are given under a lock that ends with the transaction, so they become
// visible in their order, and a reader that continues after a position misses nothing. A
// reader keeps its own position: after a lost connection or a restart it continues there.
//
// Events are kept for a time, and up to a number. A position that is older is refused, so
// that a reader learns that it has missed events.
//
// A Client is a program outside. Its key, of which only a hash is stored, lets it read
// events of some types and publish events of some types. What it publishes has its name as
// the source. An event is valid if its data match the JSON Schema of its type. It is
// recognized by its source and id: a second one with the same content is accepted and has no
// effect, one with other content is refused.
package eventfeed
