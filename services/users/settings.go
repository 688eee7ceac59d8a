package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"troupe/events"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/store"
)

type settings struct {
	// E-mail address of the first admin, whose account is created at the first start.
	AdminEmail string `env:"USERS_ADMIN_EMAIL" formerly:"ADMIN_EMAIL" envDefault:"admin@troupe.local"`
	// Password of the first admin; empty: a random password is logged once, when the
	// account is created. It has no effect if there is an admin already.
	AdminPassword string `env:"USERS_ADMIN_PASSWORD" formerly:"ADMIN_PASSWORD"`
	// How many characters a new password needs at least, from 8 to 64.
	MinPassword int `env:"USERS_PASSWORD_MIN_LENGTH" formerly:"PASSWORD_MIN_LENGTH" envDefault:"12"`
	// How much work a password hash takes: standard, or insecure, which is for tests
	// and refused in production.
	HashCost string `env:"USERS_PASSWORD_HASH_COST" formerly:"PASSWORD_HASH_COST" envDefault:"standard"`
	// Whether sign-in attempts are also limited by the client's address, which is
	// taken from the end of X-Forwarded-For, where the gateway writes it. Set it to
	// false if clients can reach this port without the gateway, because they could
	// forge the header. Attempts are then limited by account only.
	TrustForwardedFor bool `env:"USERS_TRUST_FORWARDED_FOR" formerly:"TRUST_FORWARDED_FOR" envDefault:"true"`
}

// knownPasswords are published in files of this project.
var knownPasswords = []string{"troupe-development-only"}

func (s *service) readSettings() error {
	if err := s.Settings(&s.settings); err != nil {
		return err
	}
	switch {
	case s.MinPassword < 8 || s.MinPassword > 64:
		return fmt.Errorf("USERS_PASSWORD_MIN_LENGTH is %d: set it to a number from 8 to 64", s.MinPassword)
	case s.HashCost != "standard" && s.HashCost != "insecure":
		return fmt.Errorf("USERS_PASSWORD_HASH_COST is %q: set it to standard", s.HashCost)
	case s.Production && s.HashCost == "insecure":
		return errors.New("USERS_PASSWORD_HASH_COST is insecure: remove the setting in production")
	case s.Production && slices.Contains(knownPasswords, s.AdminPassword):
		return errors.New("USERS_ADMIN_PASSWORD is published with this project: choose your own, or leave it empty to have a random one logged")
	}
	return nil
}

func (s *service) hashCost() password.Cost {
	if s.HashCost == "insecure" {
		return password.Insecure
	}
	return password.Standard
}

// ensureAdmin creates the first admin, because registration never creates one.
func (s *service) ensureAdmin(ctx context.Context) error {
	if found, err := store.HasAdmin(ctx, s.DB, ""); err != nil || found {
		return err
	}
	a, plain, err := s.newAdmin(ctx)
	if err != nil {
		return err
	}
	created := false
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if created, err = store.Add(ctx, tx, a); err != nil || !created {
			return err
		}
		return s.Outbox.Add(ctx, tx, registered(a))
	})
	if err != nil {
		return err
	}
	if !created {
		return s.requireAdmin(ctx)
	}
	if s.AdminPassword == "" {
		s.Log.Warn("created the first admin; store this password, it is not shown again", "email", a.Email, "password", plain)
	}
	return nil
}

func (s *service) newAdmin(ctx context.Context) (a account.Account, plain string, err error) {
	email, err := account.ParseEmail(s.AdminEmail)
	if err != nil {
		return a, "", fmt.Errorf("USERS_ADMIN_EMAIL is %q: %w", s.AdminEmail, err)
	}
	if plain = s.AdminPassword; plain == "" {
		plain = rand.Text()
	} else if err := s.policy.Check(plain, email, "USERS_ADMIN_PASSWORD"); err != nil {
		return a, "", fmt.Errorf("USERS_ADMIN_PASSWORD: %w", err)
	}
	hash, err := s.hasher.Hash(ctx, plain)
	if err != nil {
		return a, "", err
	}
	now := s.Now()
	return account.Account{
		ID: s.NewID(), Email: email, Name: "Admin", Locale: account.DefaultLocale, Role: auth.Admin,
		PasswordHash: hash, Version: 1, CreatedAt: now, UpdatedAt: now,
	}, plain, nil
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
