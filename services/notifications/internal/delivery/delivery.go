// Package delivery holds the rules for getting one mail to one customer: what the end
// of an attempt means, and what happens next. It is pure.
//
// SMTP cannot be made exactly-once: between the final dot and the server's reply both
// sides own the message (RFC 1047). So an attempt that got that far and received no
// reply is Unknown, never failed, and is repeated with the same Message-ID. An attempt
// that ended before the dot can be repeated without the risk of a duplicate.
//
//	queued -> sending -> sent
//	   ^         |-----> waiting     no address yet: checked again, never expires
//	   |         |-----> deferred    refused, no connection: again, with backoff
//	   |         |-----> unknown     no reply to the dot: again, same Message-ID
//	   |         |-----> rejected    a verdict about the recipient's mailbox: final
//	   |         |-----> expired     still not sent after MaxAge, or MaxHold: final
//	   |         |-----> superseded  the order has overtaken the mail: final
//	   |         `-----> suppressed  the account was deleted, or gets too many: final
//	   `---------------- retry, by an admin
//
//	sent ----> bounced     a report: a later server could not deliver it
//	     `---> complained  a report: the recipient took it for spam
//
// A mail begins as sending if the replica that queues it has room to send it.
//
// Only a verdict about the recipient's mailbox ends a mail. Every other refusal is about
// the sender (its HELO name, its login, its address, its quota, a block list) or about a
// state that passes, and no mail is given up because of a mistake in the settings.
package delivery

import (
	"fmt"
	"hash/fnv"
	"time"

	"troupe/patterns/retry"
)

// The channels. Each has a worker that claims its deliveries.
const (
	Email = "email"
	Push  = "push"
)

// State is the state of a delivery.
type State string

// The states.
const (
	Queued     State = "queued"
	Waiting    State = "waiting"
	Sending    State = "sending"
	Sent       State = "sent"
	Deferred   State = "deferred"
	Unknown    State = "unknown"
	Rejected   State = "rejected"
	Expired    State = "expired"
	Suppressed State = "suppressed"
	Superseded State = "superseded"
	Bounced    State = "bounced"    // was sent, and returned by a later server
	Complained State = "complained" // was sent, and taken for spam by the recipient
)

// Final reports whether the delivery has ended: only an admin's retry can change it.
func (s State) Final() bool {
	switch s {
	case Sent, Rejected, Expired, Suppressed, Superseded, Bounced, Complained:
		return true
	}
	return false
}

// Retryable reports whether an admin may retry the delivery: it ended without the mail
// being sent, or it is unknown whether it was sent.
func (s State) Retryable() bool {
	return s == Rejected || s == Expired || s == Unknown || s == Bounced
}

// Phase is how far an attempt got; package smtp describes the phases.
type Phase string

// The phases, in order.
const (
	Connect Phase = "connect" // dial, greeting, TLS, login: about the server, not this mail
	Mail    Phase = "mail"
	Rcpt    Phase = "rcpt"
	Body    Phase = "body"
	Dot     Phase = "dot" // the final dot is being sent, or was sent

	Post Phase = "post" // of a push: the request to the push service
)

const (
	// MaxAge is how long a mail is retried, counted from when there is an address.
	MaxAge = 24 * time.Hour
	// MaxHold is how long a mail is retried that the server refuses for a reason that
	// meets every mail, counted from when it was queued.
	MaxHold = 5 * 24 * time.Hour
	// Recheck is how often a mail without an address is checked, in addition to the
	// wake-up when the address arrives.
	Recheck = 5 * time.Minute
)

// backoff returns the upper limit of the wait after an attempt.
var backoff = retry.Backoff{Base: 30 * time.Second, Cap: time.Hour}

// Attempt is how one attempt to send a mail ended.
type Attempt struct {
	Phase    Phase
	State    State   // Sent, Deferred, Rejected or Unknown
	Reply    string  // the server's reply, or the error
	About    Subject // what the reply is about; empty if there is nothing wrong with it
	Enhanced string  // the reply's enhanced status code without its class, such as 1.1
}

// Next returns the state of delivery id after its n-th attempt (from 1) ended in state
// at now, and when it is due again: the zero time if it is not.
func Next(id string, n int, state State, now, expires time.Time) (State, time.Time) {
	if state.Final() {
		return state, time.Time{}
	}
	at := now.Add(Backoff(id, n))
	if !at.Before(expires) {
		return Expired, time.Time{}
	}
	return state, at
}

// Backoff returns the wait after the n-th attempt: a random duration up to a limit that
// doubles from 30 seconds to an hour (full jitter). The randomness is a hash of id and
// n, so that the same arguments always have the same result.
func Backoff(id string, n int) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", id, n)
	return time.Second + time.Duration(h.Sum64()%uint64(backoff.Wait(n, 0)))
}
