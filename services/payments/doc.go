// Package payments moves the money of orders. It is a participant of the order saga
// (see package orders): it authorizes the money when an order is created, captures
// it when the order is confirmed, and voids or refunds it when the order is
// cancelled. It consumes only events about orders, decides nothing about them, and
// publishes what happened to their money.
//
// The provider that really holds the money is another company's system. It takes
// part in none of our transactions, it may be slow, and its responses get lost. The
// rest of this page is how the service stays right all the same.
//
// # Intents in the transaction, calls outside
//
//	handler    event -> payment.Command -> an operation with a lease   one transaction
//	dispatch   call the provider                                       no transaction
//	           responses arrive later, in a buffer
//	record     lock the payments, record the outcomes, publish         one transaction
//
// An event handler never calls the provider. It stores the intent, an open
// operation, in the transaction that handles the event. A call inside
// that transaction would keep rows locked while the provider is slow, and could not
// be rolled back if the commit failed.
//
// dispatch and record are two workers, joined by the buffer calls, so that a slow
// call delays neither the other calls nor the recording of their outcomes. The number
// of calls that are leased and not recorded is limited: if the provider is slow,
// operations wait in the database and not in memory.
//
// # Leases
//
// A call needs a lease, so that one replica makes it. The transaction that wants the call
// takes the lease for its own replica and hands the call to dispatch when it commits: no
// other statement is needed until the outcome is recorded. The operations that a
// transaction claims share a row of payment_leases, which is deleted with their last
// outcome. So an order writes its payment four times (created, authorized, confirmed,
// captured), and the updates change no index.
//
// All other operations have a due_at, by which dispatch of any replica claims them: calls
// that are tried again, refunds that an admin asked for, operations that follow an outcome,
// and all for which there was no room. A lease ends with time. Then any replica claims the
// operations without an outcome, and the outcome of the earlier call, if there is one, is
// ignored. A replica that stood still until then makes none of its calls. One that stops
// hands back those that it has not made.
//
// # Every event may come again
//
// The handlers need no rows in the inbox. What an order wants only rises (see package
// payment), so a command that the payment has seen changes nothing, however late it comes
// again, and a payment that has not changed is not written. Payments are kept forever.
//
// # Idempotency keys
//
// Every operation has a key, which all its calls send. The provider executes a key
// once and repeats its first response. So it does no harm if a call is sent twice,
// because a process died, a response was lost or a lease expired.
//
// # A timeout is unknown
//
// A call without a response may have been executed or not. Neither "failed" nor
// "succeeded" would be right, so the operation is unknown, and it is stored as
// unknown before the call is made. The next call only asks for the outcome of the
// key. Only if the provider does not know the key is the operation executed again.
// It is asked as often as it takes, with waits that double from 1 s to 5 min. A
// process that dies anywhere on the way leaves a lease that expires, after which any
// replica asks.
//
// # Compensations
//
// Voids and refunds undo what the saga has done. They have no precondition, and they
// are never given up: an event order.cancelled that cannot be handled is retried
// forever, and so is a void or refund that the provider refuses. If the order was
// cancelled before its money was authorized, the voided payment is a tombstone, and
// order.created authorizes nothing. A success that arrives after the cancellation is
// undone and not announced.
//
// # Reconciliation
//
// A worker compares every payment with the provider's ledger. It changes nothing; it
// reports what no retry would find: money that is not where the payment's state requires.
// It reads 2,000 payments and then rests for 7.5 s, however many there are: a pass over a
// million takes an hour.
package payments
