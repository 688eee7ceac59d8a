// Package throttle is the rate limit of sign-in attempts, so that passwords cannot be
// guessed: after a few failures each further attempt has to wait, twice as long every
// time. The wait is never longer than 15 minutes, so that an attacker cannot lock out
// the owner of an account for good.
package throttle

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"troupe/platform/fault"
)

// MaxDelay is the longest wait between two attempts.
const MaxDelay = 15 * time.Minute

// Rule is how many failures are allowed, and how fast they are forgotten.
type Rule struct {
	Free int64         // failures without a wait
	Leak time.Duration // one failure is forgotten each time this much time has passed
}

// The rules. Many people may share an address, so its limits are higher.
var (
	PerAccount = Rule{Free: 5, Leak: 15 * time.Minute}
	PerAddress = Rule{Free: 30, Leak: 30 * time.Second}
)

// Delay returns how long to wait after this many failures.
func (r Rule) Delay(failures int64) time.Duration {
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

// Account returns the key of an e-mail address, whether it has an account or not.
func Account(email string) Key {
	return digest("account", strings.ToLower(strings.TrimSpace(email)))
}

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
