// Package delivery holds the rules of getting one mail to one customer: what an
// attempt's end means, and what happens next. It is pure.
//
// SMTP can not be made exactly-once: between the final dot and the server's
// reply both sides own the message (RFC 1047). So an attempt that got that far
// and learned nothing is Unknown, never failed, and is repeated under the same
// Message-ID; everything short of the dot is repeated without risk.
//
//	queued -> sending -> sent
//	   ^         |-----> waiting     no address yet: looked at again, never too old
//	   |         |-----> deferred    4yz, no connection: again, with backoff
//	   |         |-----> unknown     no answer to the dot: again, same Message-ID
//	   |         |-----> rejected    5yz: final
//	   |         |-----> expired     still not sent after MaxAge: final
//	   |         `-----> suppressed  the account is gone: final
//	   `---------------- retry, by an admin
package delivery

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/textproto"
	"time"
)

// Email is the channel there is. Another one is another name here, and a worker
// of its own that claims its deliveries.
const Email = "email"

// State is where a delivery stands.
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

// Final says whether nothing more happens by itself.
func (s State) Final() bool {
	return s == Sent || s == Rejected || s == Expired || s == Suppressed
}

// Retryable says whether an admin may have it tried again: it ended without the
// mail leaving, or nobody knows whether it left.
func (s State) Retryable() bool {
	return s == Rejected || s == Expired || s == Unknown
}

// Phase is how far an attempt got.
type Phase string

// The phases, in order.
const (
	Connect Phase = "connect" // dial, greeting, TLS, login: about the server, not this mail
	Mail    Phase = "mail"
	Rcpt    Phase = "rcpt"
	Body    Phase = "body"
	Dot     Phase = "dot" // the final dot is being sent, or was
)

const (
	// MaxAge is how long a mail is tried once there is an address.
	MaxAge = 24 * time.Hour
	// Recheck is how often a mail without an address is looked at, beside being
	// woken when the address comes.
	Recheck = 5 * time.Minute

	firstBackoff = 30 * time.Second
	maxBackoff   = time.Hour
)

// Attempt is how one try ended.
type Attempt struct {
	Phase Phase
	State State  // Sent, Deferred, Rejected or Unknown
	Reply string // what the server said, or what went wrong
}

// Ended judges an attempt that stopped in phase because of err; nil means the
// server took the mail.
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
	if reply.Code/100 == 5 && phase != Connect && !aboutLogin(reply.Code) {
		a.State = Rejected
	}
	return a
}

// aboutLogin: these codes complain about our credentials. No mail deserves to be
// given up because of a wrong password in the settings.
func aboutLogin(code int) bool {
	return code == 530 || code == 534 || code == 535 || code == 538
}

// Next says what becomes of delivery id after its n-th attempt (from 1) ended
// in state at now, and when it is due again (zero if it is not).
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

// Backoff is the wait after the n-th attempt: random up to a limit that doubles
// from 30 s to an hour (full jitter), but the same each time it is asked.
func Backoff(id string, n int) time.Duration {
	limit := maxBackoff
	if n < 8 {
		limit = min(limit, firstBackoff<<max(0, n-1))
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", id, n)
	return time.Second + time.Duration(h.Sum64()%uint64(limit))
}
