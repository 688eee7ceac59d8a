// Package throttle slows down guessing: after a few failures each further try
// has to wait, twice as long every time, and never longer than a quarter of an
// hour, so that nobody can lock out the owner for good.
package throttle

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"troupe/platform/fault"
)

// MaxDelay is the longest wait between two tries.
const MaxDelay = 15 * time.Minute

// Rule is how much is forgiven.
type Rule struct {
	Free int64         // failures before the first wait
	Leak time.Duration // one failure is forgotten each time this has passed
}

// The rules. Many people may share an address, so it is forgiven more.
var (
	PerAccount = Rule{Free: 5, Leak: 15 * time.Minute}
	PerAddress = Rule{Free: 30, Leak: 30 * time.Second}
)

// Delay is how long to wait after that many failures.
func (r Rule) Delay(failures int64) time.Duration {
	over := failures - r.Free
	switch {
	case over < 0:
		return 0
	case over >= 10: // 2^10 s is more than a quarter of an hour
		return MaxDelay
	}
	return time.Second << over
}

// Key names who is counted. It is a digest, for what is typed into the field
// for the e-mail address may be anything: very long, or a password.
type Key string

// Account counts for the e-mail address, whether there is such an account or not.
func Account(email string) Key {
	return digest("account", strings.ToLower(strings.TrimSpace(email)))
}

// Address counts for the network address of a client; false if s is none. An
// IPv6 client has a whole /64 to choose from, so that is what counts.
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

// TooMany is the refusal of a try that comes too early.
func TooMany(wait time.Duration) error {
	return &fault.Error{
		Kind: fault.TooManyRequests, Code: "sign_in_throttled", RetryAfter: wait,
		Message: "too many failed attempts to sign in; wait as long as Retry-After says and try again",
	}
}
