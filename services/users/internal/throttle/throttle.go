// Package throttle is the rate limit of sign-in attempts, so that passwords cannot be
// guessed: after a few failures each further attempt has to wait, twice as long every
// time, up to [MaxDelay]. That allows 100 guesses per account in any 24 hours, and never
// shuts out for longer the owner who signs in on a new device.
//
// A device on which the owner has signed in before has a count of its own ([Device]), so
// that the guesses of others do not keep the owner waiting (OWASP's device cookies).
//
// An attempt is reserved before its password is checked and settled afterwards. It counts
// as failed only if it has failed; but no more attempts are checked at a time than may
// fail. Those beyond take turns ([Turns]).
package throttle

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"troupe/platform/fault"
)

// MaxDelay is the longest wait between two attempts. With it the failures of one key stay
// below 100 in any 24 hours: 15 in the first 17 minutes, then one each 17 minutes.
const MaxDelay = 17 * time.Minute

// pendingLimit is how long an attempt may take to be checked. One that takes longer
// belongs to a process that has crashed.
const pendingLimit = 10 * time.Second

// farAhead is further ahead than any time that a right clock stores. It is twice the
// longest delay, because the clocks of replicas may differ.
const farAhead = 2 * MaxDelay

// Rule is how many failures are allowed, and how fast they are forgotten.
type Rule struct {
	Free int64         // failures without a wait
	Leak time.Duration // one failure is forgotten each time this much time has passed
}

// The rules. Many people may share an address, so its limits are higher.
var (
	PerAccount = Rule{Free: 5, Leak: MaxDelay}
	PerAddress = Rule{Free: 30, Leak: 30 * time.Second}
)

// State is what is known about the attempts with one key. The zero State has none.
type State struct {
	Failures     int64     // as of LastAt
	LastAt       time.Time // of the last failure
	BlockedUntil time.Time // no attempt is checked before
	Pending      int64     // attempts that are being checked
	PendingUntil time.Time // when they no longer count
}

// Idle reports whether s is as good as no state.
func (s State) Idle() bool { return s.Failures == 0 && s.Pending == 0 }

// Decision is what to do about an attempt.
type Decision struct {
	Wait    time.Duration // positive: refuse it, and allow the next one after this time
	Pending bool          // decide again when another attempt has been settled
}

// Reserve returns the state with one more attempt being checked, or the same state and
// what to do if the attempt may not be checked now. A time that is far ahead was stored
// while a clock was wrong, and counts as past: otherwise the owner would have to wait for
// it, for years.
func (r Rule) Reserve(s State, now time.Time) (State, Decision) {
	if wait := s.BlockedUntil.Sub(now); wait > 0 && wait <= farAhead {
		return s, Decision{Wait: wait}
	}
	if left := s.PendingUntil.Sub(now); left <= 0 || left > farAhead {
		s.Pending = 0
	}
	if s.Pending > 0 && r.remaining(s, now)+s.Pending >= r.Free {
		return s, Decision{Pending: true}
	}
	s.Pending++
	s.PendingUntil = now.Add(pendingLimit)
	return s, Decision{}
}

// Fail returns the state after a reserved attempt has failed.
func (r Rule) Fail(s State, now time.Time) State {
	s.Failures, s.LastAt = r.remaining(s, now)+1, now
	if delay := r.delay(s.Failures); delay > 0 {
		s.BlockedUntil = now.Add(delay)
	}
	return s.Return()
}

// Return returns the state without a reserved attempt that has not failed. A wait that
// the failures require remains.
func (s State) Return() State {
	s.Pending = max(s.Pending-1, 0)
	return s
}

// Clear returns the state after a reserved attempt has succeeded: its failures are those
// of the person who now signed in, and are forgotten.
func (s State) Clear() State {
	s.Failures, s.BlockedUntil = 0, time.Time{}
	return s.Return()
}

// remaining returns the failures that are not forgotten yet.
func (r Rule) remaining(s State, now time.Time) int64 {
	forgotten := max(int64(now.Sub(s.LastAt)/r.Leak), 0)
	return max(s.Failures-forgotten, 0)
}

// delay returns how long to wait after this many failures.
func (r Rule) delay(failures int64) time.Duration {
	over := failures - r.Free
	switch {
	case over < 0:
		return 0
	case over >= 10: // 2^10 s is more than MaxDelay
		return MaxDelay
	}
	return time.Second << over
}

// Key identifies what failures are counted for. It is a digest, because the text in
// the field for the e-mail address can be anything: very long, or a password.
type Key string

// Account returns the key of an e-mail address, whether it has an account or not. All
// spellings of an address that can sign in must come in the form that is stored.
func Account(email string) Key { return digest("account", email) }

// Device returns the key of one known device at one account, by the id of its token.
func Device(id string) Key { return digest("device", id) }

// SignedIn returns the key of the password checks of an account's signed-in sessions, by
// the account's id. They have a count of their own, so that the holder of a stolen access
// token cannot stop the owner from signing in, nor the reverse.
func SignedIn(accountID string) Key { return digest("signed in", accountID) }

// Address returns the key of a client's network address; false if s is not an address.
// An IPv6 client can choose any address of its /64, so the key is that of the /64.
func Address(s string) (Key, bool) {
	ip, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return "", false
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return digest("address", netip.PrefixFrom(ip, 64).Masked().String()), true
	}
	return digest("address", ip.String()), true
}

func digest(kind, of string) Key {
	sum := sha256.Sum256([]byte(of))
	return Key(kind + ":" + hex.EncodeToString(sum[:]))
}

// TooMany returns the error for an attempt that comes too early.
func TooMany(wait time.Duration) error {
	return &fault.Error{
		Kind: fault.TooManyRequests, Code: "sign_in_throttled", RetryAfter: wait,
		Message: "too many failed attempts to sign in; wait for the time in Retry-After and try again",
	}
}
