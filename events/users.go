package events

import "time"

// UserRegistered: somebody has an account now.
type UserRegistered struct {
	UserID string `json:"user_id"`
	Email  string `json:"email"`
	Name   string `json:"name"`
	Locale string `json:"locale"`
	// Version rises with every change of the account, so that a late event
	// does not overwrite a newer one.
	Version int64 `json:"version"`
}

// UserUpdated: an account's address, name or language changed; the values are the new ones.
type UserUpdated struct {
	UserID  string `json:"user_id"`
	Email   string `json:"email"`
	Name    string `json:"name"`
	Locale  string `json:"locale"`
	Version int64  `json:"version"`
}

// UserDeleted: the account is gone; whoever keeps its data forgets it.
type UserDeleted struct {
	UserID  string `json:"user_id"`
	Version int64  `json:"version"`
}

// SessionRevoked: access tokens of this session are no longer good.
type SessionRevoked struct {
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id"`
	// Until is when the last access token of the session runs out by itself.
	Until time.Time `json:"until"`
}

func (UserRegistered) EventType() string { return "user.registered.v1" }
func (UserUpdated) EventType() string    { return "user.updated.v1" }
func (UserDeleted) EventType() string    { return "user.deleted.v1" }
func (SessionRevoked) EventType() string { return "session.revoked.v1" }

func (e UserRegistered) CorrelationID() string { return e.UserID }
func (e UserUpdated) CorrelationID() string    { return e.UserID }
func (e UserDeleted) CorrelationID() string    { return e.UserID }
func (e SessionRevoked) CorrelationID() string { return e.UserID }
