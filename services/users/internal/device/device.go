// Package device issues the tokens of known devices. A device gets one after a sign-in
// on it, and sends it with the next sign-in (OWASP, "Slow Down Online Guessing Attacks
// with Device Cookies"). The token authenticates no one: it only has the attempts of the
// device counted apart from those of strangers.
package device

import (
	"time"

	"troupe/services/users/internal/signed"
)

// Lifetime is how long a device stays known after the last sign-in on it.
const Lifetime = 180 * 24 * time.Hour

const tokenPrefix = "troupe_dt1_"

// Tokens writes and reads the tokens: an id and the time of the sign-in, bound to the
// account.
type Tokens struct{ signed signed.Tokens }

// NewTokens returns the Tokens with this key, which all replicas share.
func NewTokens(key []byte) Tokens { return Tokens{signed.New(tokenPrefix, key)} }

// Write returns a token with this id, a UUID, for a device on which the account was
// signed in to. account is any text that identifies the account.
func (t Tokens) Write(id, account string, now time.Time) (string, error) {
	return t.signed.Write(id, now.Unix(), account)
}

// Read returns the id of a token; false if it was not written for this account with the
// same key, or is older than Lifetime.
func (t Tokens) Read(token, account string, now time.Time) (id string, known bool) {
	id, written, err := t.signed.Read(token, account)
	if err != nil || !now.Before(time.Unix(written, 0).Add(Lifetime)) {
		return "", false
	}
	return id, true
}
