// Package session holds the rules of sessions: how long a user stays signed in. A
// session is continued by refresh tokens. Each is valid for one use, which returns the
// next one (rotation). If a token is used a second time, two clients have it, and one
// of them may have stolen it: the session ends (reuse detection).
//
// A client that lost the response, or sent the request twice, may repeat it within
// RetryWindow. It gets the same next token again, so that a thief gains nothing.
package session

import (
	"time"

	"troupe/platform/fault"
)

// How long a session lasts, and how long a refresh may be repeated.
const (
	IdleLimit     = 14 * 24 * time.Hour // since the last refresh
	AbsoluteLimit = 30 * 24 * time.Hour // since sign-in
	RetryWindow   = 10 * time.Second
)

// Replacement is how far the counter advances when all earlier refresh tokens must end.
// One more would be a rotation, and the token before could be repeated.
const Replacement = 2

// Session is one sign-in on one device.
type Session struct {
	ID        string // the claim sid of its access tokens
	AccountID string
	Counter   int64 // of the refresh token that is valid now
	CreatedAt time.Time
	RotatedAt time.Time
	Ended     bool
}

// Decision is what to do about a refresh token.
type Decision int

// The decisions.
const (
	Refuse Decision = iota // the session has ended or never existed
	Rotate                 // valid: issue the next one
	Repeat                 // used within RetryWindow: issue the present one again
	Reuse                  // used earlier: end the session
)

// Decide returns what to do about the session's refresh token with this counter.
func (s Session) Decide(counter int64, now time.Time) Decision {
	switch {
	case s.Ended || s.expired(now) || counter > s.Counter:
		return Refuse
	case counter == s.Counter:
		return Rotate
	case counter == s.Counter-1 && now.Before(s.RotatedAt.Add(RetryWindow)):
		return Repeat
	}
	return Reuse
}

func (s Session) expired(now time.Time) bool {
	return !now.Before(s.RotatedAt.Add(IdleLimit)) || !now.Before(s.CreatedAt.Add(AbsoluteLimit))
}

// The errors of a refused refresh token. OAuth 2.0 has one code for
// both, and the status 400 (RFC 6749, section 5.2).
var (
	ErrInvalid = fault.New(fault.Malformed, "invalid_grant", "the refresh token is invalid or has expired; sign in again")
	ErrReused  = fault.New(fault.Malformed, "invalid_grant", "the refresh token was used before, so its session was ended for safety; sign in again")
)
