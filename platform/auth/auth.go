// Package auth is access tokens: JWTs (ES256, typ at+jwt, RFC 9068) that users
// signs and that the gateway and every service verify for themselves by JWKS.
package auth

import (
	"context"
	"net/http"
	"time"

	"troupe/platform/sqldb"
)

// Role is what a caller may do. Nobody chooses their own.
type Role string

// The roles.
const (
	User  Role = "user"
	Admin Role = "admin"
)

// Issuer and Audience stand in every token and are demanded of every token.
const (
	Issuer   = "troupe-users"
	Audience = "troupe"
)

// Caller is who a verified token speaks for.
type Caller struct {
	UserID    string
	Role      Role
	SessionID string
	Expires   time.Time
}

type callerKey struct{}

// WithCaller puts the caller into the context of a request.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom gives the caller; false on a public operation called with no token.
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// PrivateKey signs tokens; KeyID is its RFC 7638 thumbprint.
type PrivateKey struct {
	KeyID string
	PEM   []byte // PKCS #8
}

// NewPrivateKey makes an ES256 key.
func NewPrivateKey() (PrivateKey, error) { panic("todo") }

// Signer signs access tokens with the newest of its keys.
type Signer struct{}

// NewSigner takes the keys newest first; older ones are still published.
func NewSigner(keys ...PrivateKey) (*Signer, error) { panic("todo") }

// Sign makes an access token for c that ends at c.Expires.
func (s *Signer) Sign(c Caller, tokenID string, now time.Time) (string, error) { panic("todo") }

// JWKS is the public half, as served at /.well-known/jwks.json.
func (s *Signer) JWKS() []byte { panic("todo") }

// Verifier checks access tokens.
type Verifier struct{}

// VerifierConfig: where keys come from and what else is asked.
type VerifierConfig struct {
	JWKSURL     string       // where to fetch keys
	Static      []byte       // a fixed JWKS instead of the URL (users itself, tests)
	Client      *http.Client // nil means a client with a 2 s time-out and no redirects
	Revocations *Revocations // nil means nobody is revoked
	DB          sqldb.DB     // keeps the last good key set for a start while users is down; nil keeps it in memory only
	Now         func() time.Time
}

// NewVerifier makes a verifier. It fetches nothing yet.
func NewVerifier(c VerifierConfig) *Verifier { panic("todo") }

// Verify gives the caller a token speaks for, or a fault.Unauthenticated that
// says why not; fault.Unavailable if no key set could be had at all.
func (v *Verifier) Verify(ctx context.Context, token string) (Caller, error) { panic("todo") }

// Revocations are the sessions whose tokens are refused although not expired.
// They live in the service's database, so that every replica learns of them.
type Revocations struct{}

// NewRevocations keeps them in db (table revoked_sessions, see Migrations).
func NewRevocations(db sqldb.DB, now func() time.Time) *Revocations { panic("todo") }

// Revoke refuses the session's tokens until they have all expired.
func (r *Revocations) Revoke(ctx context.Context, tx sqldb.Tx, sessionID string, until time.Time) error {
	panic("todo")
}

// Step reads what other replicas revoked and forgets what has expired.
func (r *Revocations) Step(ctx context.Context) (int, error) { panic("todo") }

// Revoked says whether the session's tokens are refused. It only looks in memory.
func (r *Revocations) Revoked(sessionID string) bool { panic("todo") }
