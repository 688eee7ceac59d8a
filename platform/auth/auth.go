// Package auth signs and verifies access tokens. A token is a JWT (ES256, typ at+jwt,
// RFC 9068) that the users service signs; the gateway and every service verify it on
// their own, with the public keys that users publishes as a JWKS.
//
// A [Signer] signs tokens and publishes its public keys. A [Verifier] parses a JWT
// strictly (RFC 8725), finds the key by its id in a key set that it fetches every
// five minutes, checks the signature and the claims, and caches valid tokens.
// [Revocations] are the sessions that ended before their tokens expired.
//
// The verified token becomes the [Caller] in the context of a request.
package auth

import (
	"context"
	"embed"
	"time"
)

// Migrations create the tables revoked_sessions and jwks_cache; they have the
// versions 501 to 599.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Role is what a caller may do. Users cannot choose their role.
type Role string

// The roles.
const (
	User  Role = "user"
	Admin Role = "admin"
)

// Issuer and Audience are the claims iss and aud of every token; a token with other
// values is refused.
const (
	Issuer   = "troupe-users"
	Audience = "troupe"
)

// Skew is how far the clocks of two machines may differ: a token is accepted for this
// long after its exp, and before its nbf.
const Skew = 30 * time.Second

// Caller is the user whom a verified token identifies.
type Caller struct {
	UserID    string
	Role      Role
	SessionID string
	Expires   time.Time
}

type callerKey struct{}

// WithCaller returns a context that carries the caller. Package httpapi calls it for
// every request with a valid token.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller of an operation that requires a token. On a public
// operation that was called without one it returns the zero Caller.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
