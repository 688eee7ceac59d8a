// Package orders takes orders and decides what becomes of them.
//
// Taking an order starts a saga: a transaction across several services, each with
// its own database, that is made of local transactions and of compensations that
// undo them. This one is a choreography: no service sends commands to another. Each
// publishes what it did, and consumes what concerns it. The orders service is the
// only one that decides; inventory and payments report on the stock and the money,
// each for itself and in any order.
//
//	POST /orders -> order.created -+-> inventory reserves stock   -> stock.reserved | stock.rejected
//	                               +-> payments authorizes money  -> payment.authorized | payment.declined
//
//	both succeed     -> order.confirmed -> inventory commits the stock, payments captures the money
//	both followed up -> order.paid
//	either fails, the deadline passes, or the customer cancels
//	                 -> order.cancelled -> inventory releases or restocks, payments voids or refunds
//
// # Facts are a set
//
// Events arrive late, twice and in any order. So an order does not move from event
// to event; it keeps the facts that it knows as a set (order.Facts). Adding facts
// (Facts.Merge) is commutative, associative and idempotent, so that any order and
// any repetition of the same events lead to the same set.
//
// # The decision is a pure function
//
// order.Decide maps what is known of an order to what follows from it. It reads no
// clock and no database. A failure counts more than two successes, and two
// successes count more than the deadline. Each outcome changes the order's state,
// so that it is reached once.
//
// # Five steps
//
//	lock        a handler locks the orders that the events of a batch are about
//	applyFacts  it adds the events to their timelines and facts (eventEffects), except
//	            those that a timeline has already: they were delivered before
//	decide      it makes each decision that is due, and the events that announce it
//	save        it stores the orders with what was added to their timelines
//	publish     it adds the events to the outbox
//
// All of it is the transaction that consumes the events. Its orders are locked at once, in
// the order of their ids, so that two replicas that consume events about the same orders
// wait for each other and never deadlock. A request to cancel, ship or deliver an order
// locks it and takes the same steps. Package store explains why none of this can deadlock.
//
// Events that concern any number of orders (a deleted account) are recorded in a table
// first. The decider, a worker, claims the orders of such events, and takes the same steps.
// It also takes what a replica of version 0.1 has recorded.
//
// # Each decision is made once
//
// A row lock protects an order while it is decided. The statement that saves it is
// a compare-and-set on the order's version besides: if the lock ever failed to
// protect the order, the transaction would fail and decide nothing. The decision,
// the timeline entry and the outbox row commit together, so a decision that is not
// published, or an event without a decision, cannot exist.
//
// # Compensations
//
// order.cancelled asks inventory and payments to undo what they did. Undoing has no
// precondition and is retried until it succeeds. If the cancellation overtakes
// order.created, they remember it (a tombstone) and do nothing when order.created
// arrives. If a success arrives after the cancellation, the service that achieved it
// undoes it; here it is only one more fact. A capture that fails for good cancels an
// order that was confirmed. An order that was shipped cannot be cancelled.
//
// # The deadline
//
// The deadline of an order is in its row, and a worker (cancelOverdue) cancels those
// that are pending after it. There is no timer to lose. Time in which the
// system itself could not have decided orders does not count (package deadline), up to
// twice the deadline; nor does time in which no process ran, however long. No other service has a deadline for the saga: a reservation expires in inventory too, but much later and
// only as a backstop, and the expiry is published as a fact like any other.
//
// # Overload
//
// An order that was accepted must not be cancelled because there are too many. So a new
// order is refused if the unfinished ones will keep it waiting for long (overload.go,
// package admission), and if its customer has many undecided orders already (quota).
//
// # Items and lines
//
// An item is a quantity of a product as the customer requested it: item in the API,
// order.Item in the rules. A line is an item that was ordered, at its price:
// order.Line in the rules and the database, orderLine in the API, events.OrderLine in
// order.created. The layers do not share these types, so that each can change alone.
package orders
