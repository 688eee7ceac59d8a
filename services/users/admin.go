package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/store"
)

// ensureAdmin creates the first admin, because registration never creates one.
func (s *service) ensureAdmin(ctx context.Context) error {
	if found, err := store.HasAdmin(ctx, s.DB, ""); err != nil || found {
		return err
	}
	plain, written, err := s.firstPassword()
	if err != nil {
		return err
	}
	if plain == "" {
		s.Log.Warn("there is no admin; set USERS_ADMIN_PASSWORD or USERS_ADMIN_PASSWORD_FILE and start again to create one")
		return nil
	}
	created, err := s.createAdmin(ctx, plain)
	if err != nil || created {
		return err // after an error the account may exist: the file stays, and the next start uses it
	}
	if written {
		_ = os.Remove(s.AdminPasswordFile) // no account has this password
	}
	return s.requireAdmin(ctx)
}

// firstPassword returns the first admin's password; "" if none is set. written reports
// whether it is a new one, which was written to the file of the settings.
func (s *service) firstPassword() (plain string, written bool, err error) {
	if s.AdminPassword != "" || s.AdminPasswordFile == "" {
		return s.AdminPassword, false, nil
	}
	kept, err := os.ReadFile(s.AdminPasswordFile)
	switch {
	case err == nil && strings.TrimSpace(string(kept)) == "":
		return "", false, fmt.Errorf("USERS_ADMIN_PASSWORD_FILE is %s, which is empty: write a password into it, or remove it", s.AdminPasswordFile)
	case err == nil:
		plain, err = app.Secret("the file of USERS_ADMIN_PASSWORD_FILE", string(kept))
		return plain, false, err
	case errors.Is(err, fs.ErrNotExist):
		plain = (rand.Text() + rand.Text() + rand.Text())[:max(len(rand.Text()), s.MinPassword)]
		return plain, true, writePassword(s.AdminPasswordFile, plain)
	}
	return "", false, fmt.Errorf("USERS_ADMIN_PASSWORD_FILE: %w", err)
}

// writePassword creates a file that only its owner may read.
func writePassword(name, plain string) error {
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.WriteFile(name, []byte(plain+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("USERS_ADMIN_PASSWORD_FILE: %w", err)
	}
	return nil
}

// createAdmin stores the first admin's account and reports whether its address was free.
func (s *service) createAdmin(ctx context.Context, plain string) (created bool, err error) {
	a, err := s.newAdmin(ctx, plain)
	if err != nil {
		return false, err
	}
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if created, err = store.Add(ctx, tx, a); err != nil || !created {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Entry{Action: "create_first_admin", Actor: "system", Target: a.ID}); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, registered(a))
	})
	return created && err == nil, err
}

func (s *service) newAdmin(ctx context.Context, plain string) (a account.Account, err error) {
	email, err := account.ParseEmail(s.AdminEmail)
	if err != nil {
		return a, fmt.Errorf("USERS_ADMIN_EMAIL is %q: %w", s.AdminEmail, err)
	}
	if err := s.policy.Check(plain, email, "USERS_ADMIN_PASSWORD"); err != nil {
		return a, fmt.Errorf("USERS_ADMIN_PASSWORD: %w", err)
	}
	hash, err := s.hasher.Hash(ctx, password.SignIns, plain)
	if err != nil {
		return a, err
	}
	now := s.Now()
	return account.Account{
		ID: s.NewID(), Email: email, Name: "Admin", Locale: account.DefaultLocale, Role: auth.Admin,
		PasswordHash: hash, PasswordChangeRequired: s.Production, Version: 1, CreatedAt: now, UpdatedAt: now,
	}, nil
}

// requireAdmin returns an error if there is no admin. It is called when the address of
// the first admin is taken: another replica may have created the account.
func (s *service) requireAdmin(ctx context.Context) error {
	found, err := store.HasAdmin(ctx, s.DB, "")
	if err == nil && !found {
		err = fmt.Errorf("USERS_ADMIN_EMAIL is %s, which belongs to an account that is not an admin: choose another address", s.AdminEmail)
	}
	return err
}

// registered returns the event that announces a new account.
func registered(a account.Account) events.UserRegistered {
	return events.UserRegistered{UserID: a.ID, Email: a.Email, Name: a.Name, Locale: a.Locale, Version: a.Version}
}
