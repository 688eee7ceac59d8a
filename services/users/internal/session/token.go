package session

import (
	"errors"

	"troupe/services/users/internal/signed"
)

const tokenPrefix = "troupe_rt1_"

// Tokens writes and reads refresh tokens: the session id and the counter. They are not
// stored, because any of them can be verified with the key.
type Tokens struct{ signed signed.Tokens }

// NewTokens returns the Tokens with this key, which all replicas share.
func NewTokens(key []byte) Tokens { return Tokens{signed.New(tokenPrefix, key)} }

// Write returns the session's refresh token with this counter. It is always the same.
func (t Tokens) Write(sessionID string, counter int64) (string, error) {
	return t.signed.Write(sessionID, counter, "")
}

// Read returns the session id and the counter of a token. It returns ErrInvalid if the
// token was not written with the same key.
func (t Tokens) Read(token string) (sessionID string, counter int64, err error) {
	sessionID, counter, err = t.signed.Read(token, "")
	switch {
	case errors.Is(err, signed.ErrForged):
		return "", 0, ErrInvalid
	case err != nil:
		return "", 0, ErrInvalid.WithCause(err)
	}
	return sessionID, counter, nil
}
