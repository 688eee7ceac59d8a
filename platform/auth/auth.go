// Package auth is access tokens: JWTs (ES256, typ at+jwt, RFC 9068) that users
// signs and that the gateway and every service verify for themselves by JWKS.
//
// A Signer makes tokens and publishes its public keys. A Verifier takes a token
// apart strictly (RFC 8725), finds the key by its id in a KeySet it fetches now
// and then, and remembers tokens it found good. Revocations are the sessions
// that ended before their tokens did.
package auth

import (
	"context"
	"embed"
	"time"
)

// Migrations make the tables revoked_sessions and jwks_cache; versions 501 to 599.
//
//go:embed migrations/*.sql
var Migrations embed.FS

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

// Skew is how far clocks may be apart: a token is good for this much longer than it says.
const Skew = 30 * time.Second

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

// CallerOf returns the caller of an operation that requires a token. On a public
// operation that was called without one it returns the zero Caller.
func CallerOf(ctx context.Context) Caller {
	c, _ := CallerFrom(ctx)
	return c
}
