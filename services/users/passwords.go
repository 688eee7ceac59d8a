package users

import (
	"context"
	"errors"

	"troupe/events"
	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/session"
	"troupe/services/users/internal/store"
)

var (
	errWrongPassword = fault.New(fault.Invalid, "password_wrong", "the current password is wrong; check it and try again")
	errSessionEnded  = fault.New(fault.Unauthenticated, "session_revoked", "the session has ended; sign in again")
	errSamePassword  = fault.New(fault.Invalid, "password_unchanged", "the new password is the present one; choose another")
)

// changePassword sets a new password and ends the caller's other sessions. The caller's
// own session goes on with the tokens that it returns: an earlier refresh token, which may
// have been stolen, ends it. Only the caller's device is still known.
func (s *service) changePassword(ctx context.Context, c auth.Caller, current, replacement string) (tokenView, error) {
	a, err := store.Get(ctx, s.DB, c.UserID)
	if err != nil {
		return tokenView{}, err
	}
	if err := s.checkReplacement(a, current, replacement, "body.new_password"); err != nil {
		return tokenView{}, err
	}
	var own session.Session
	var hash string
	err = s.confirmed(ctx, a, current, "body.current_password", func(ctx context.Context, try attempt) error {
		if hash, err = s.hasher.Hash(ctx, password.SignIns, replacement); err != nil {
			return err
		}
		return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			if own, err = s.setPassword(ctx, tx, a, hash, c.SessionID); err != nil {
				return err
			}
			return s.settleSucceeded(ctx, tx, try)
		})
	})
	if err != nil {
		return tokenView{}, err
	}
	tokens, err := s.issueTokens(own, a.Role)
	if err != nil {
		return tokenView{}, err
	}
	tokens.DeviceToken, err = s.devices.Write(s.NewID(), deviceOwner(a.ID, hash), s.Now())
	return tokens, err
}

// checkReplacement returns fault.Invalid, with location as the field, if the replacement
// is not a good password or is the present one.
func (s *service) checkReplacement(a account.Account, current, replacement, location string) error {
	if password.Normalize(replacement) == password.Normalize(current) {
		return errSamePassword.WithField(location, "is the present one")
	}
	return s.policy.Check(replacement, a.Email, location)
}

// setPassword stores the hash of a new password, ends all sessions of the account but the
// caller's own, and returns that one, whose earlier refresh tokens it ends.
func (s *service) setPassword(ctx context.Context, tx sqldb.Tx, a account.Account, hash, own string) (session.Session, error) {
	replaced, err := store.SetPassword(ctx, tx, a.ID, a.PasswordHash, hash)
	if err != nil {
		return session.Session{}, err
	}
	if !replaced {
		return session.Session{}, errWrongPassword
	}
	if err := s.Audit.Record(ctx, tx, audit.Entry{Action: "change_password", Target: a.ID}); err != nil {
		return session.Session{}, err
	}
	if err := s.Outbox.Add(ctx, tx, events.UserPasswordChanged{UserID: a.ID}); err != nil {
		return session.Session{}, err
	}
	if err := s.endSessions(ctx, tx, a.ID, own); err != nil {
		return session.Session{}, err
	}
	return s.replaceRefreshTokens(ctx, tx, own)
}

// replaceRefreshTokens returns a session whose earlier refresh tokens it ends.
func (s *service) replaceRefreshTokens(ctx context.Context, tx sqldb.Tx, id string) (session.Session, error) {
	own, found, err := store.LockSession(ctx, tx, id)
	switch {
	case err != nil:
		return own, err
	case !found || own.Ended:
		return own, errSessionEnded
	}
	own.Counter += session.Replacement
	return own, store.ReplaceRefreshTokens(ctx, tx, id, s.Now())
}

// confirmed calls do if current is the account's password. Otherwise it returns an error
// with location as the field; wrong passwords are counted and limited. do must settle the
// attempt in its transaction.
func (s *service) confirmed(ctx context.Context, a account.Account, current, location string, do func(context.Context, attempt) error) error {
	try := attemptSignedIn(a.ID)
	if err := s.reserve(ctx, try); err != nil {
		return err
	}
	ok, _, err := s.hasher.Match(ctx, current, a.PasswordHash)
	if err == nil && !ok {
		err = errWrongPassword.WithField(location, "is wrong")
	}
	if err == nil {
		err = do(ctx, try)
	}
	if err != nil {
		s.settleFailed(ctx, try, err)
		return err
	}
	s.turns.Settled(try.account)
	return nil
}

// deleteAccount deletes an account: personal data is erased, only the id remains.
func (s *service) deleteAccount(ctx context.Context, c auth.Caller, current string, condition httpapi.Conditional) error {
	a, err := store.Get(ctx, s.DB, c.UserID)
	if err != nil {
		return err
	}
	err = s.confirmed(ctx, a, current, "body.password", func(ctx context.Context, try attempt) error {
		return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			now, err := store.Get(ctx, tx, c.UserID)
			if err != nil {
				return err
			}
			if err := condition.Check(tagOf(now)); err != nil {
				return err
			}
			if err := s.erase(ctx, tx, now); err != nil {
				return err
			}
			return s.settleSucceeded(ctx, tx, try)
		})
	})
	if errors.Is(err, store.ErrChanged) {
		err = condition.Overtaken(err)
	}
	return err
}
