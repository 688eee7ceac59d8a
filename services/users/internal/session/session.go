// Package session is staying signed in: a session lives on by refresh tokens,
// each good for one use and followed by the next. A token used a second time
// means that two hold it, and one of them stole it: the session ends.
//
// Except within RetryWindow, for a client that lost the answer or sent the
// request twice: it gets the same follower again, so nothing is gained by it.
package session

import (
	"time"

	"troupe/platform/fault"
)

// How long a session lasts.
const (
	IdleLimit     = 14 * 24 * time.Hour // since the last refresh
	AbsoluteLimit = 30 * 24 * time.Hour // since signing in
	RetryWindow   = 10 * time.Second
)

// Session is one signing-in, on one device.
type Session struct {
	ID        string // stands in access tokens as sid
	AccountID string
	Counter   int64 // of the refresh token that is good now
	CreatedAt time.Time
	RotatedAt time.Time
	Ended     bool
}

// Verdict is what to do about a refresh token.
type Verdict int

// The verdicts.
const (
	Refuse Verdict = iota // the session is over, or never was
	Rotate                // good: hand out the next
	Repeat                // used a moment ago: hand out the present one once more
	Reuse                 // used before: end the session
)

// Judge says what to do about the session's refresh token with that counter.
func (s Session) Judge(counter int64, now time.Time) Verdict {
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

// The refusals. OAuth knows one code for all of them.
var (
	ErrInvalid = fault.New(fault.Unauthenticated, "invalid_grant", "the refresh token is not valid, or no longer; sign in again")
	ErrReused  = fault.New(fault.Unauthenticated, "invalid_grant", "the refresh token was used before, so the session was ended to be safe; sign in again")
)
