package users

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/patterns/idempotency"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/store"
)

var (
	errEmailTaken = fault.New(fault.Conflict, "email_taken", "this e-mail address already has an account; sign in, or use another address")
	errLastAdmin  = fault.New(fault.Conflict, "last_admin", "this is the only admin account, so it cannot be deleted")
)

// register creates an account, or returns the first response to a repeated request.
func (s *service) register(ctx context.Context, r newUser, key, address string) (userView, error) {
	a, err := s.newAccount(ctx, r, address)
	if err != nil {
		return userView{}, err
	}
	request := idempotency.Request{
		Caller: registering(a.Email), Operation: "POST /users", Key: key, Body: s.fingerprint(r),
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
			if err := s.Audit.Record(ctx, tx, audit.Entry{Action: "register", Actor: a.ID, Target: a.ID}); err != nil {
				return userView{}, err
			}
			return viewOf(a), s.Outbox.Add(ctx, tx, registered(a))
		})
		return err
	})
	return view, err
}

// registering returns the caller of a registration. There is no account yet, so the
// address separates the keys of different clients.
func registering(email string) string { return "anonymous " + email }

func (s *service) newAccount(ctx context.Context, r newUser, address string) (a account.Account, err error) {
	a = account.Account{Role: auth.User, Version: 1, Locale: account.Locale(r.Locale)}
	if a.Email, err = account.ParseEmail(r.Email); err != nil {
		return a, err
	}
	if a.Name, err = account.ParseName(r.Name); err != nil {
		return a, err
	}
	if err = s.policy.Check(r.Password, a.Email, "body.password"); err != nil {
		return a, err
	}
	if err = s.registrations.take(address); err != nil {
		return a, err
	}
	if a.PasswordHash, err = s.hasher.Hash(ctx, password.Registrations, r.Password); err != nil {
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

// updateProfile changes the profile of an account if check allows that for the account as
// it is.
func (s *service) updateProfile(ctx context.Context, id string, p account.Profile, check func(account.Account) error) (a account.Account, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		var changed bool
		a, changed, err = store.Update(ctx, tx, id, func(a *account.Account) (bool, error) {
			if err := check(*a); err != nil {
				return false, err
			}
			return a.Change(p, s.Now())
		})
		if err != nil || !changed {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Entry{Action: "change_profile", Target: id}); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, userUpdated(a))
	})
	return a, err
}

func userUpdated(a account.Account) events.UserUpdated {
	return events.UserUpdated{UserID: a.ID, Email: a.Email, Name: a.Name, Locale: a.Locale, Version: a.Version}
}

// usersPage returns the events that announce accounts as they are now.
func usersPage(ctx context.Context, q sqldb.Querier, after string, limit int) (payloads []event.Payload, last string, err error) {
	accounts, err := store.List(ctx, q, after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, a := range accounts {
		payloads = append(payloads, userUpdated(a))
		last = a.ID
	}
	return payloads, last, nil
}

// erase deletes an account in tx, with what keeps its data, unless it is that of the only
// admin. It fails with store.ErrChanged if the account has changed since it was read.
func (s *service) erase(ctx context.Context, tx sqldb.Tx, a account.Account) error {
	if err := s.checkLastAdmin(ctx, tx, a); err != nil {
		return err
	}
	version, err := store.Delete(ctx, tx, a, s.Now())
	if err != nil {
		return err
	}
	if err := idempotency.Erase(ctx, tx, registering(a.Email)); err != nil {
		return err
	}
	if err := s.endSessions(ctx, tx, a.ID, ""); err != nil {
		return err
	}
	if err := s.Audit.Record(ctx, tx, audit.Entry{Action: "delete_account", Target: a.ID}); err != nil {
		return err
	}
	return s.Outbox.Add(ctx, tx, events.UserDeleted{UserID: a.ID, Version: version})
}

// checkLastAdmin returns an error if a is the account of the only admin.
func (s *service) checkLastAdmin(ctx context.Context, tx sqldb.Tx, a account.Account) error {
	if a.Role != auth.Admin {
		return nil
	}
	found, err := store.HasAdmin(ctx, tx, a.ID)
	if err == nil && !found {
		err = errLastAdmin
	}
	return err
}
