// Package password decides which passwords are strong enough, and hashes them with
// argon2id. Passwords are used as they were sent: they are not trimmed, truncated or
// folded. Only the Unicode form does not matter, because the keyboard chooses it and not
// the person; see [Normalize].
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is the work of one hash, for an attacker's guess as well as for a sign-in.
type Cost struct {
	MemoryKiB uint32
	Time      uint32 // passes over the memory
	Threads   uint8
}

// The costs to choose from.
var (
	// Standard is what OWASP recommends; it takes about 20 ms.
	Standard = Cost{MemoryKiB: 19 * 1024, Time: 2, Threads: 1}
	// Insecure protects nothing. It is for tests, which sign in often.
	Insecure = Cost{MemoryKiB: 8, Time: 1, Threads: 1}
)

// The limits of a stored hash, so that a forged one cannot exhaust the machine.
const (
	maxMemoryKiB = 256 * 1024
	maxTime      = 16
	maxThreads   = 8
	minBytes     = 8
	maxBytes     = 64
)

const saltBytes, keyBytes = 16, 32

// hash is an argon2id hash with everything that is needed to compute it again. Its
// text form is the PHC string: $argon2id$v=19$m=19456,t=2,p=1$salt$key
type hash struct {
	cost      Cost
	salt, key []byte
}

func newHash(password string, c Cost) hash {
	h := hash{cost: c, salt: random(saltBytes), key: make([]byte, keyBytes)}
	h.key = h.compute(password)
	return h
}

// decoy returns a hash that no password matches: its key was not computed from one.
func decoy(c Cost) hash { return hash{cost: c, salt: random(saltBytes), key: random(keyBytes)} }

func (h hash) compute(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.cost.Time, h.cost.MemoryKiB, h.cost.Threads, uint32(len(h.key)))
}

func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.key, h.compute(password)) == 1
}

func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.cost.MemoryKiB, h.cost.Time, h.cost.Threads, encoding.EncodeToString(h.salt), encoding.EncodeToString(h.key))
}

var encoding = base64.RawStdEncoding.Strict()

var errInvalidHash = errors.New("not an argon2id PHC string within bounds")

func parseHash(text string) (hash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return hash{}, errInvalidHash
	}
	cost, err := parseCost(parts[3])
	if err != nil {
		return hash{}, err
	}
	salt, errSalt := encoding.DecodeString(parts[4])
	key, errKey := encoding.DecodeString(parts[5])
	if errSalt != nil || errKey != nil || !validLength(salt) || !validLength(key) {
		return hash{}, errInvalidHash
	}
	h := hash{cost: cost, salt: salt, key: key}
	if h.String() != text { // another version, a sign, a leading zero
		return hash{}, errInvalidHash
	}
	return h, nil
}

// validLength reports whether b is a salt or key of a permitted length.
func validLength(b []byte) bool { return len(b) >= minBytes && len(b) <= maxBytes }

// parseCost parses "m=19456,t=2,p=1".
func parseCost(text string) (Cost, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return Cost{}, errInvalidHash
	}
	m, errM := parseParameter(fields[0], "m=", maxMemoryKiB)
	t, errT := parseParameter(fields[1], "t=", maxTime)
	p, errP := parseParameter(fields[2], "p=", maxThreads)
	if err := errors.Join(errM, errT, errP); err != nil {
		return Cost{}, errInvalidHash
	}
	return Cost{MemoryKiB: m, Time: t, Threads: uint8(p)}, nil
}

func parseParameter(field, prefix string, limit uint32) (uint32, error) {
	digits, ok := strings.CutPrefix(field, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n == 0 || n > uint64(limit) {
		return 0, errInvalidHash
	}
	return uint32(n), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
