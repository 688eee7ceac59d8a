package users

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"troupe/events"
	"troupe/patterns/idempotency"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/store"
)

var (
	errEmailTaken    = fault.New(fault.Conflict, "email_taken", "this e-mail address already has an account; sign in, or use another address")
	errLastAdmin     = fault.New(fault.Conflict, "last_admin", "this is the only admin account, so it cannot be deleted")
	errWrongPassword = fault.New(fault.Invalid, "password_wrong", "the current password is wrong; check it and try again").
				WithField("body.current_password", "is wrong")
)

// register creates an account, or returns the first response to a repeated request.
func (s *service) register(ctx context.Context, r newUser, key string) (userView, error) {
	a, err := s.newAccount(ctx, r)
	if err != nil {
		return userView{}, err
	}
	request := idempotency.Request{
		// There is no caller yet. The address separates the keys of different clients.
		Caller: "anonymous " + a.Email, Operation: "POST /users", Key: key, Body: s.fingerprint(r),
	}
	var view userView
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		view, _, err = idempotency.Once(ctx, tx, request, a.CreatedAt, func() (userView, error) {
			free, err := store.Add(ctx, tx, a)
			if err != nil {
				return userView{}, err
			}
			if !free {
				return userView{}, errEmailTaken
			}
			return viewOf(a), s.Outbox.Add(ctx, tx, registered(a))
		})
		return err
	})
	return view, err
}

func (s *service) newAccount(ctx context.Context, r newUser) (a account.Account, err error) {
	a = account.Account{Role: auth.User, Version: 1, Locale: account.DefaultLocale}
	if a.Email, err = account.ParseEmail(r.Email); err != nil {
		return a, err
	}
	if a.Name, err = account.ParseName(r.Name); err != nil {
		return a, err
	}
	if r.Locale != "" {
		if a.Locale, err = account.ParseLocale(r.Locale); err != nil {
			return a, err
		}
	}
	if err = s.policy.Check(r.Password, a.Email, "body.password"); err != nil {
		return a, err
	}
	if a.PasswordHash, err = s.hasher.Hash(ctx, r.Password); err != nil {
		return a, err
	}
	a.ID, a.CreatedAt = s.NewID(), s.Now()
	a.UpdatedAt = a.CreatedAt
	return a, nil
}

// fingerprint returns r with a keyed hash in place of the password. It is stored to
// recognize a repeated request, and must not help to guess the password.
func (s *service) fingerprint(r newUser) newUser {
	mac := hmac.New(sha256.New, s.fingerprintKey)
	mac.Write([]byte(r.Password))
	r.Password = hex.EncodeToString(mac.Sum(nil))
	return r
}

// updateProfile changes the profile of an account.
func (s *service) updateProfile(ctx context.Context, id string, p account.Profile) (userView, error) {
	var a account.Account
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		var changed bool
		a, changed, err = store.Update(ctx, tx, id, func(a *account.Account) (bool, error) { return a.Change(p, s.Now()) })
		if err != nil || !changed {
			return err
		}
		return s.Outbox.Add(ctx, tx, events.UserUpdated{
			UserID: a.ID, Email: a.Email, Name: a.Name, Locale: a.Locale, Version: a.Version,
		})
	})
	return viewOf(a), err
}

// changePassword sets a new password and ends the caller's other sessions.
func (s *service) changePassword(ctx context.Context, c auth.Caller, current, replacement string) error {
	a, err := store.Get(ctx, s.DB, c.UserID)
	if err != nil {
		return err
	}
	if err := s.policy.Check(replacement, a.Email, "body.new_password"); err != nil {
		return err
	}
	try := attemptOn(a.Email)
	if err := s.recordAttempt(ctx, try); err != nil {
		return err
	}
	if err := s.checkPassword(ctx, a, current); err != nil {
		s.discardUnlessChecked(ctx, try, err)
		return err
	}
	hash, err := s.hasher.Hash(ctx, replacement)
	if err != nil {
		s.discardUnlessChecked(ctx, try, err)
		return err
	}
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		replaced, err := store.ReplaceHash(ctx, tx, a.ID, a.PasswordHash, hash)
		if err != nil {
			return err
		}
		if !replaced {
			return errWrongPassword
		}
		if err := store.ClearAttempts(ctx, tx, try.account); err != nil {
			return err
		}
		return s.endSessions(ctx, tx, a.ID, c.SessionID)
	})
}

func (s *service) checkPassword(ctx context.Context, a account.Account, password string) error {
	ok, _, err := s.hasher.Match(ctx, password, a.PasswordHash)
	if err == nil && !ok {
		err = errWrongPassword
	}
	return err
}

// deleteAccount deletes an account: personal data is erased, only the id remains.
func (s *service) deleteAccount(ctx context.Context, c auth.Caller) error {
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := s.checkLastAdmin(ctx, tx, c); err != nil {
			return err
		}
		version, err := store.Delete(ctx, tx, c.UserID, s.Now())
		if err != nil {
			return err
		}
		if err := s.endSessions(ctx, tx, c.UserID, ""); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, events.UserDeleted{UserID: c.UserID, Version: version})
	})
}

// checkLastAdmin returns an error if c is the only admin.
func (s *service) checkLastAdmin(ctx context.Context, tx sqldb.Tx, c auth.Caller) error {
	if c.Role != auth.Admin {
		return nil
	}
	found, err := store.HasAdmin(ctx, tx, c.UserID)
	if err == nil && !found {
		err = errLastAdmin
	}
	return err
}
