package events

// UserRegistered is published when a user has registered.
type UserRegistered struct {
	UserID string `json:"user_id"`
	Email  string `json:"email" format:"email"`
	Name   string `json:"name"`
	Locale string `json:"locale"`
	// Version rises with every change of the account, so that a late event
	// does not overwrite a newer one.
	Version int64 `json:"version"`
}

// UserUpdated is published when an account's address, name or language changes. It
// carries the new values.
type UserUpdated struct {
	UserID  string `json:"user_id"`
	Email   string `json:"email" format:"email"`
	Name    string `json:"name"`
	Locale  string `json:"locale"`
	Version int64  `json:"version"`
}

// UserDeleted is published when an account is deleted. A service that keeps data of the
// user erases it.
type UserDeleted struct {
	UserID  string `json:"user_id"`
	Version int64  `json:"version"`
}

// SessionRevoked is published when a session ends early: its access tokens are no longer
// valid. Version 2 takes its place when every consumer reads that.
type SessionRevoked struct {
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id"`
	// Until is when the last access token of the session expires.
	Until Time `json:"until"`
}

// SessionsRevoked is published when sessions of one account end early, in place of version 1,
// which names a single session. The access tokens of all of them are no longer valid.
type SessionsRevoked struct {
	SessionIDs []string `json:"session_ids"` // the claims sid of their access tokens
	UserID     string   `json:"user_id"`
	// Until is when the last access token of the sessions expires.
	Until Time `json:"until"`
}

// UserPasswordChanged is published when an account has got another password.
type UserPasswordChanged struct {
	UserID string `json:"user_id"`
}

// UserSignedInOnNewDevice is published when a user signs in with the password on a device
// that is not known, but not for the first sign-in after the registration.
type UserSignedInOnNewDevice struct {
	UserID string `json:"user_id"`
}

func (UserRegistered) EventType() string { return "user.registered.v1" }
func (UserUpdated) EventType() string    { return "user.updated.v1" }
func (UserDeleted) EventType() string    { return "user.deleted.v1" }
func (SessionRevoked) EventType() string { return "session.revoked.v1" }

func (SessionsRevoked) EventType() string { return "session.revoked.v2" }

func (UserPasswordChanged) EventType() string     { return "user.password_changed.v1" }
func (UserSignedInOnNewDevice) EventType() string { return "user.signed_in_on_new_device.v1" }

func (e UserRegistered) CorrelationID() string { return e.UserID }
func (e UserUpdated) CorrelationID() string    { return e.UserID }
func (e UserDeleted) CorrelationID() string    { return e.UserID }
func (e SessionRevoked) CorrelationID() string { return e.UserID }

func (e SessionsRevoked) CorrelationID() string { return e.UserID }

func (e UserPasswordChanged) CorrelationID() string     { return e.UserID }
func (e UserSignedInOnNewDevice) CorrelationID() string { return e.UserID }
