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
//	   |         |-----> deferred    4yz, no connection: again, with backoff
//	   |         |-----> unknown     no reply to the dot: again, same Message-ID
//	   |         |-----> rejected    5yz: final
//	   |         |-----> expired     still not sent after MaxAge: final
//	   |         `-----> suppressed  the account was deleted: final
//	   `---------------- retry, by an admin
package delivery

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/textproto"
	"time"

	"troupe/patterns/retry"
)

// Email is the only channel so far. Another channel is another name here, and a worker
// that claims the deliveries of that channel.
const Email = "email"

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
)

// Final reports whether the delivery has ended: only an admin's retry can change it.
func (s State) Final() bool {
	return s == Sent || s == Rejected || s == Expired || s == Suppressed
}

// Retryable reports whether an admin may retry the delivery: it ended without the mail
// being sent, or it is unknown whether it was sent.
func (s State) Retryable() bool {
	return s == Rejected || s == Expired || s == Unknown
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
)

const (
	// MaxAge is how long a mail is retried, counted from when there is an address.
	MaxAge = 24 * time.Hour
	// Recheck is how often a mail without an address is checked, in addition to the
	// wake-up when the address arrives.
	Recheck = 5 * time.Minute
)

// backoff returns the upper limit of the wait after an attempt.
var backoff = retry.Backoff{Base: 30 * time.Second, Cap: time.Hour}

// Attempt is how one attempt to send a mail ended.
type Attempt struct {
	Phase Phase
	State State  // Sent, Deferred, Rejected or Unknown
	Reply string // the server's reply, or the error
}

// Ended returns the attempt that ended in phase because of err. A nil err means that
// the server accepted the mail.
func Ended(phase Phase, err error) Attempt {
	if err == nil {
		return Attempt{Phase: phase, State: Sent}
	}
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		a := Attempt{Phase: phase, State: Deferred, Reply: err.Error()}
		if phase == Dot {
			a.State = Unknown
		}
		return a
	}
	a := Attempt{Phase: phase, State: Deferred, Reply: fmt.Sprintf("%d %s", reply.Code, reply.Msg)}
	if reply.Code/100 == 5 && phase != Connect && !isLoginCode(reply.Code) {
		a.State = Rejected
	}
	return a
}

// isLoginCode reports whether a reply code is about the shop's credentials. No mail
// may be given up because of a wrong password in the settings.
func isLoginCode(code int) bool {
	return code == 530 || code == 534 || code == 535 || code == 538
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
