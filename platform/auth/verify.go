package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

var (
	errInvalidToken   = fault.New(fault.Unauthenticated, "token_invalid", "the access token is not valid; sign in to get a new one")
	errExpiredToken   = fault.New(fault.Unauthenticated, "token_expired", "the access token has expired; get a new one with the refresh token, or sign in")
	errRevokedSession = fault.New(fault.Unauthenticated, "session_revoked", "the session has ended; sign in again")
)

// Verifier checks access tokens. It is safe for concurrent use.
type Verifier struct {
	keys        *keyStore
	seen        *tokenCache
	revocations *Revocations
	now         func() time.Time
}

// VerifierConfig says where keys come from and what else is asked.
type VerifierConfig struct {
	JWKSURL     string       // where to fetch keys
	Static      []byte       // a fixed JWKS instead of the URL (users itself, tests)
	Client      *http.Client // nil means a client with a 2 s time-out and no redirects
	Revocations *Revocations // nil means nobody is revoked
	DB          sqldb.DB     // keeps the last good key set for a start while users is down; nil keeps it in memory only
	Now         func() time.Time
}

// NewVerifier makes a verifier. It fetches nothing yet.
func NewVerifier(c VerifierConfig) *Verifier {
	return &Verifier{keys: newKeyStore(c), seen: newTokenCache(), revocations: c.Revocations, now: c.Now}
}

// Verify gives the caller a token speaks for, or a fault.Unauthenticated that
// says why not; fault.Unavailable if no key set could be had at all.
func (v *Verifier) Verify(ctx context.Context, raw string) (Caller, error) {
	c, err := v.authenticate(ctx, raw)
	if err != nil {
		return Caller{}, err
	}
	if v.revocations != nil && v.revocations.Revoked(c.SessionID) {
		return Caller{}, errRevokedSession
	}
	return c, nil
}

// authenticate is Verify without the revocations, which no cache may hide.
func (v *Verifier) authenticate(ctx context.Context, raw string) (Caller, error) {
	if len(raw) > maxTokenSize {
		return Caller{}, errInvalidToken.WithCause(errTooLong)
	}
	now := v.now()
	if c, ok := v.seen.get(raw, v.keys.current(), now); ok {
		v.keys.refreshIfStale(now)
		return c, nil
	}
	t, err := parse(raw)
	if err != nil {
		return Caller{}, errInvalidToken.WithCause(err)
	}
	key, set, err := v.keys.find(ctx, t.keyID, now)
	if err != nil {
		return Caller{}, err
	}
	c, err := t.verify(key, now)
	switch {
	case errors.Is(err, errExpired):
		return Caller{}, errExpiredToken
	case err != nil:
		return Caller{}, errInvalidToken.WithCause(err)
	}
	v.seen.put(raw, set, c)
	return c, nil
}
