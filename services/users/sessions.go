package users

import (
	"context"
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
)

// accessTTL is the lifetime of an access token.
const accessTTL = 10 * time.Minute

var errBadCredentials = fault.New(fault.Unauthenticated, "invalid_grant", "the e-mail address or the password is wrong; check both and try again")

// signIn starts a session. An unknown account and a wrong password get the same
// response after the same work, so that sign-in does not reveal who has an account.
func (s *service) signIn(ctx context.Context, email, password, from string) (tokenView, error) {
	try := attemptFrom(email, from)
	if err := s.recordAttempt(ctx, try); err != nil {
		s.signIns.WithLabelValues("throttled").Inc()
		return tokenView{}, err
	}
	a, hash, err := s.authenticate(ctx, email, password)
	if err != nil {
		s.signIns.WithLabelValues("failed").Inc()
		s.discardUnlessChecked(ctx, try, err)
		return tokenView{}, err
	}
	started, err := s.startSession(ctx, a, hash, try)
	if err != nil {
		s.discardUnlessChecked(ctx, try, err)
		return tokenView{}, err
	}
	s.signIns.WithLabelValues("succeeded").Inc()
	return s.issueTokens(started, a.Role)
}

// authenticate returns the account with this e-mail address and password, and the
// password hash to store: a new one if the present one was computed at another cost.
func (s *service) authenticate(ctx context.Context, email, password string) (account.Account, string, error) {
	a, err := s.findAccount(ctx, email)
	if err != nil {
		return a, "", err
	}
	ok, outdated, err := s.hasher.Match(ctx, password, a.PasswordHash)
	if err != nil {
		return a, "", err
	}
	if !ok {
		return a, "", errBadCredentials
	}
	if !outdated {
		return a, a.PasswordHash, nil
	}
	hash, err := s.hasher.Hash(ctx, password)
	return a, hash, err
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
func (s *service) startSession(ctx context.Context, a account.Account, hash string, try attempt) (session.Session, error) {
	now := s.Now()
	started := session.Session{ID: s.NewID(), AccountID: a.ID, CreatedAt: now, RotatedAt: now}
	return started, s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		same, err := store.ReplaceHash(ctx, tx, a.ID, a.PasswordHash, hash)
		if err != nil {
			return err
		}
		if !same {
			return errBadCredentials
		}
		if err := s.clearAttempts(ctx, tx, try); err != nil {
			return err
		}
		return store.AddSession(ctx, tx, started)
	})
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
		err = s.endSession(ctx, tx, of.AccountID, id)
	}
	return of, decision, err
}

// signOut ends the caller's session.
func (s *service) signOut(ctx context.Context, c auth.Caller) error {
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
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
	var revoked []event.Payload
	for _, id := range sessions {
		if err := s.Revocations.Revoke(ctx, tx, id, until); err != nil {
			return err
		}
		revoked = append(revoked, events.SessionRevoked{SessionID: id, UserID: accountID, Until: until})
	}
	return s.Outbox.Add(ctx, tx, revoked...)
}
