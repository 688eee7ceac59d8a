package users

import (
	"context"
	"slices"
	"time"

	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
)

// accessTTL is the lifetime of an access token.
const accessTTL = 10 * time.Minute

var (
	errBadCredentials = fault.New(fault.Malformed, "invalid_grant", "the e-mail address or the password is wrong; check both and try again")
	errMustChange     = fault.New(fault.Forbidden, "password_change_required",
		"this password is only good for setting another; send the same request with the field new_password too")
	errChangeUnasked = fault.New(fault.Malformed, "invalid_request",
		"the field new_password is only for accounts that must change their password; sign in without it, and use POST /users/me/password")
)

// client is where a request comes from.
type client struct {
	address string // its network address; "" if it is not known
	device  string // the token that a sign-in on the same device returned; "" for none
}

// credentials are what a person sends to sign in.
type credentials struct {
	email, password string
	replacement     string // the new password, if the account must change it; or ""
}

// signIn starts a session. An unknown account and a wrong password get the same
// response after the same work, so that sign-in does not reveal who has an account.
func (s *service) signIn(ctx context.Context, given credentials, from client) (tokenView, error) {
	try, err := s.attemptAt(ctx, given.email, from)
	if err != nil {
		return tokenView{}, err
	}
	if err := s.reserve(ctx, try); err != nil {
		s.signIns.WithLabelValues("throttled").Inc()
		return tokenView{}, err
	}
	tokens, err := s.signInReserved(ctx, given, try)
	if err != nil {
		s.signIns.WithLabelValues("failed").Inc()
		s.settleFailed(ctx, try, err)
		return tokenView{}, err
	}
	s.turns.Settled(try.account)
	s.signIns.WithLabelValues("succeeded").Inc()
	return tokens, nil
}

func (s *service) signInReserved(ctx context.Context, given credentials, try attempt) (tokenView, error) {
	owner, err := s.authenticate(ctx, given)
	if err != nil {
		return tokenView{}, err
	}
	started, err := s.startSession(ctx, owner, try)
	if err != nil {
		return tokenView{}, err
	}
	tokens, err := s.issueTokens(started, owner.Role)
	if err != nil {
		return tokenView{}, err
	}
	tokens.DeviceToken, err = s.devices.Write(s.NewID(), deviceOwner(owner.ID, owner.hash), s.Now())
	return tokens, err
}

// authenticated is an account whose owner has sent the right password.
type authenticated struct {
	account.Account
	hash    string // to store: another if the present one was computed at another cost
	changed bool   // whether hash is that of another password
}

// authenticate returns the account with this e-mail address and password. If its password
// must be changed, the replacement must be a good one.
func (s *service) authenticate(ctx context.Context, given credentials) (owner authenticated, err error) {
	if owner.Account, err = s.findAccount(ctx, given.email); err != nil {
		return owner, err
	}
	ok, outdated, err := s.hasher.Match(ctx, given.password, owner.PasswordHash)
	switch {
	case err != nil:
		return owner, err
	case !ok:
		return owner, errBadCredentials
	case owner.PasswordChangeRequired && given.replacement == "":
		return owner, errMustChange
	case owner.PasswordChangeRequired:
		owner.changed = true
		owner.hash, err = s.hashReplacement(ctx, owner.Account, given)
	case given.replacement != "":
		return owner, errChangeUnasked
	case outdated:
		owner.hash, err = s.hasher.Hash(ctx, password.SignIns, given.password)
	default:
		owner.hash = owner.PasswordHash
	}
	return owner, err
}

// hashReplacement returns the hash of the new password of an account that must change it.
func (s *service) hashReplacement(ctx context.Context, a account.Account, given credentials) (string, error) {
	if err := s.checkReplacement(a, given.password, given.replacement, "body.new_password"); err != nil {
		return "", err
	}
	return s.hasher.Hash(ctx, password.SignIns, given.replacement)
}

// findAccount returns the zero account, which has no password, if there is no account
// with this e-mail address.
func (s *service) findAccount(ctx context.Context, typed string) (account.Account, error) {
	email, err := account.ParseEmail(typed)
	if err != nil {
		return account.Account{}, nil // no account can have such an address
	}
	a, err := store.ByEmail(ctx, s.DB, email)
	if fault.Is(err, fault.NotFound) {
		return account.Account{}, nil
	}
	return a, err
}

// startSession stores a new session, unless the account's password has changed since it
// was checked.
func (s *service) startSession(ctx context.Context, owner authenticated, try attempt) (session.Session, error) {
	now := s.Now()
	started := session.Session{ID: s.NewID(), AccountID: owner.ID, CreatedAt: now, RotatedAt: now}
	return started, s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		save := store.ReplaceHash
		if owner.changed {
			save = store.SetPassword
		}
		same, err := save(ctx, tx, owner.ID, owner.PasswordHash, owner.hash)
		if err != nil {
			return err
		}
		if !same {
			return errBadCredentials
		}
		if err := s.settleSucceeded(ctx, tx, try); err != nil {
			return err
		}
		if err := s.publishSignIn(ctx, tx, owner, try); err != nil {
			return err
		}
		if err := store.AddSession(ctx, tx, started); err != nil {
			return err
		}
		return s.auditSession(ctx, tx, started, owner.changed)
	})
}

// firstSignIn is for how long after its registration the first sign-in to an account is
// not reported to the owner.
const firstSignIn = 24 * time.Hour

// publishSignIn publishes what the owner must be told about a sign-in: the first one on a
// device, and a change of the password.
func (s *service) publishSignIn(ctx context.Context, tx sqldb.Tx, owner authenticated, try attempt) error {
	if owner.changed {
		return s.Outbox.Add(ctx, tx, events.UserPasswordChanged{UserID: owner.ID})
	}
	if try.known {
		return nil
	}
	before, err := store.HasSession(ctx, tx, owner.ID)
	if err != nil || !before && s.Now().Before(owner.CreatedAt.Add(firstSignIn)) {
		return err
	}
	return s.Outbox.Add(ctx, tx, events.UserSignedInOnNewDevice{UserID: owner.ID})
}

// issueTokens returns the session's present refresh token and a new access token.
func (s *service) issueTokens(of session.Session, role auth.Role) (tokenView, error) {
	now := s.Now()
	caller := auth.Caller{UserID: of.AccountID, Role: role, SessionID: of.ID, Expires: now.Add(accessTTL)}
	access, err := s.signer.Sign(caller, s.NewID(), now)
	if err != nil {
		return tokenView{}, err
	}
	refresh, err := s.tokens.Write(of.ID, of.Counter)
	if err != nil {
		return tokenView{}, err
	}
	return tokenView{AccessToken: access, TokenType: "bearer", ExpiresIn: int(accessTTL.Seconds()), RefreshToken: refresh}, nil
}

// refresh returns new tokens for a refresh token.
func (s *service) refresh(ctx context.Context, token string) (tokenView, error) {
	id, counter, err := s.tokens.Read(token)
	if err != nil {
		return tokenView{}, err
	}
	var of session.Session
	var decision session.Decision
	var a account.Account
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		of, decision, err = s.useRefreshToken(ctx, tx, id, counter)
		if err != nil || decision == session.Refuse || decision == session.Reuse {
			return err
		}
		a, err = store.Get(ctx, tx, of.AccountID)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound): // deleted, with all its sessions
		return tokenView{}, session.ErrInvalid
	case err != nil:
		return tokenView{}, err
	case decision == session.Refuse:
		return tokenView{}, session.ErrInvalid
	case decision == session.Reuse:
		s.Log.WarnContext(ctx, "a refresh token was used twice, so its session was ended", "session", id, "user", of.AccountID)
		return tokenView{}, session.ErrReused
	}
	return s.issueTokens(of, a.Role)
}

// useRefreshToken decides what to do about a refresh token, and rotates or ends its
// session accordingly.
func (s *service) useRefreshToken(ctx context.Context, tx sqldb.Tx, id string, counter int64) (session.Session, session.Decision, error) {
	of, found, err := store.LockSession(ctx, tx, id)
	if err != nil || !found {
		return of, session.Refuse, err
	}
	decision := of.Decide(counter, s.Now())
	switch decision {
	case session.Rotate:
		of.Counter++
		err = store.RotateSession(ctx, tx, id, s.Now())
	case session.Reuse:
		if err = s.endSession(ctx, tx, of.AccountID, id); err != nil {
			break
		}
		err = s.Audit.Record(ctx, tx, audit.Entry{Action: "reuse_refresh_token", Outcome: audit.Refused, Target: of.AccountID, Detail: "session " + id})
	}
	return of, decision, err
}

// signOut ends the caller's session.
func (s *service) signOut(ctx context.Context, c auth.Caller) error {
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := s.Audit.Record(ctx, tx, audit.Entry{Action: "sign_out", Target: c.UserID, Detail: "session " + c.SessionID}); err != nil {
			return err
		}
		return s.endSession(ctx, tx, c.UserID, c.SessionID)
	})
}

func (s *service) endSession(ctx context.Context, tx sqldb.Tx, accountID, id string) error {
	ended, err := store.EndSession(ctx, tx, accountID, id, s.Now())
	if err != nil || !ended {
		return err
	}
	return s.revoke(ctx, tx, accountID, []string{id})
}

// endSessions ends all sessions of an account except one.
func (s *service) endSessions(ctx context.Context, tx sqldb.Tx, accountID, except string) error {
	ids, err := store.EndSessions(ctx, tx, accountID, except, s.Now())
	if err != nil {
		return err
	}
	return s.revoke(ctx, tx, accountID, ids)
}

// revoke revokes the access tokens of sessions: here at once, and in the other
// services as soon as they have consumed the event.
func (s *service) revoke(ctx context.Context, tx sqldb.Tx, accountID string, sessions []string) error {
	until := s.Now().Add(accessTTL + auth.Skew)
	for _, id := range sessions {
		if err := s.Revocations.Revoke(ctx, tx, id, until); err != nil {
			return err
		}
	}
	return s.Outbox.Add(ctx, tx, s.revokedEvents(accountID, sessions, events.Time{Time: until})...)
}

// mostRevoked is how many sessions one event names, at most.
const mostRevoked = 1000

// revokedEvents returns the events that announce the end of sessions, in one version alone:
// consumers read both, and an event in each would have its effect twice.
func (s *service) revokedEvents(accountID string, sessions []string, until events.Time) (revoked []event.Payload) {
	if s.RevokedVersion == 1 {
		for _, id := range sessions {
			revoked = append(revoked, events.SessionRevoked{SessionID: id, UserID: accountID, Until: until})
		}
		return revoked
	}
	for some := range slices.Chunk(sessions, mostRevoked) {
		revoked = append(revoked, events.SessionsRevoked{SessionIDs: some, UserID: accountID, Until: until})
	}
	return revoked
}
