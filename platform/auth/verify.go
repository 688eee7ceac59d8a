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
	cache       *tokenCache
	revocations *Revocations
	now         func() time.Time
}

// VerifierConfig is what a Verifier needs. Now and one of JWKSURL and Static are
// required.
type VerifierConfig struct {
	JWKSURL     string       // where the keys are fetched
	Static      []byte       // a fixed JWKS instead of the URL (in users itself, and in tests)
	Client      *http.Client // nil means a client with a timeout of 2 s that follows no redirects
	Revocations *Revocations // nil means that no session is revoked
	DB          sqldb.DB     // saves the last good key set, for a start while users is down; nil means memory only
	Now         func() time.Time
}

// NewVerifier returns a verifier. It fetches the keys when it needs them first.
func NewVerifier(c VerifierConfig) *Verifier {
	return &Verifier{keys: newKeyStore(c), cache: newTokenCache(), revocations: c.Revocations, now: c.Now}
}

// Verify returns the caller that the token, a JWT, identifies. It fails with
// fault.Unauthenticated if the token is invalid, expired or of a revoked session, and
// with fault.Unavailable if there is no key set to verify it with.
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

// authenticate is Verify without the revocations. Those are checked on every call, also
// for a token from the cache.
func (v *Verifier) authenticate(ctx context.Context, raw string) (Caller, error) {
	if len(raw) > maxTokenSize {
		return Caller{}, errInvalidToken.WithCause(errTooLong)
	}
	now := v.now()
	if c, ok := v.cache.get(raw, v.keys.current(), now); ok {
		v.keys.refreshIfStale(now)
		return c, nil
	}
	t, err := parseJWT(raw)
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
	v.cache.put(raw, set, c)
	return c, nil
}
