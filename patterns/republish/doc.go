// Package republish rebuilds projections: the copies that services keep of the data of
// another service, fed by its events. An event is published once, so that a consumer that
// has lost its copy, or is new, would never be complete.
//
// The service that owns the data declares a Source for it. A Publisher publishes all that
// the source has as events of the kinds that announce its changes: product.changed for each
// product as it is now. They carry versions, so that a consumer that has a newer one, or the
// same, changes nothing. That makes it harmless to republish at any moment, twice, and
// beside changes.
//
// A consumer declares a Projection. If it starts with an empty one, and no event fills it
// within a grace period, its Requester asks the owner for it with an event.
//
// # Progress
//
// A page is read, added to the outbox and recorded as published in one transaction, so that
// a crash loses and repeats nothing. Another run goes on where the last one was
// interrupted. Pages are paced, and wait while the outbox is behind, so that orders do not
// wait for a catalogue. At most one republication is in progress for a projection and a
// consumer: a request that comes meanwhile makes it start over when it has finished, because
// its first pages may have been lost with the consumer's database.
package republish
