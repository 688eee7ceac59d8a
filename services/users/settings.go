package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"troupe/app"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
	"troupe/services/users/internal/store"
)

type settings struct {
	// AdminEmail and AdminPassword are the first admin's, made at a start that
	// finds none. Without a password one is made up and logged, once.
	AdminEmail    string `env:"ADMIN_EMAIL" envDefault:"admin@troupe.local"`
	AdminPassword string `env:"ADMIN_PASSWORD"`
	// MinPassword is how many characters a new password needs.
	MinPassword int `env:"PASSWORD_MIN_LENGTH" envDefault:"12"`
	// HashCost is "standard", or "insecure" for tests: refused in production.
	HashCost string `env:"PASSWORD_HASH_COST" envDefault:"standard"`
	// TrustForwardedFor takes the client's address, for slowing down guesses, from
	// the end of X-Forwarded-For, where the gateway writes it. Say false if
	// strangers can reach this port past the gateway: then only accounts count.
	TrustForwardedFor bool `env:"TRUST_FORWARDED_FOR" envDefault:"true"`
}

// knownPasswords stand in public files of this project.
var knownPasswords = []string{"troupe-development-only"}

func (s *service) readSettings(env app.Env) error {
	if err := env.Settings(&s.settings); err != nil {
		return err
	}
	switch {
	case s.MinPassword < 8 || s.MinPassword > 64:
		return fmt.Errorf("PASSWORD_MIN_LENGTH is %d: set it to 8 or more, at most 64", s.MinPassword)
	case s.HashCost != "standard" && s.HashCost != "insecure":
		return fmt.Errorf("PASSWORD_HASH_COST is %q: set it to standard", s.HashCost)
	case env.Production && s.HashCost == "insecure":
		return errors.New("PASSWORD_HASH_COST is insecure: leave it out in production")
	case env.Production && slices.Contains(knownPasswords, s.AdminPassword):
		return errors.New("ADMIN_PASSWORD is one that everybody knows: choose your own, or leave it empty to have one made")
	}
	return nil
}

func (s *service) hashCost() password.Cost {
	if s.HashCost == "insecure" {
		return password.Insecure
	}
	return password.Standard
}

// ensureAdmin makes the first admin: nobody can register as one.
func (s *service) ensureAdmin(ctx context.Context) error {
	if found, err := store.HasAdmin(ctx, s.db, ""); err != nil || found {
		return err
	}
	a, plain, err := s.newAdmin(ctx)
	if err != nil {
		return err
	}
	made := false
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if made, err = store.Add(ctx, tx, a); err != nil || !made {
			return err
		}
		return s.outbox.Add(ctx, tx, registered(a))
	})
	if err != nil {
		return err
	}
	if !made {
		return s.adminExists(ctx)
	}
	if s.AdminPassword == "" {
		s.log.Warn("made the first admin; this password is shown only now", "email", a.Email, "password", plain)
	}
	return nil
}

func (s *service) newAdmin(ctx context.Context) (a account.Account, plain string, err error) {
	email, err := account.ParseEmail(s.AdminEmail)
	if err != nil {
		return a, "", fmt.Errorf("ADMIN_EMAIL is %q: %w", s.AdminEmail, err)
	}
	if plain = s.AdminPassword; plain == "" {
		plain = rand.Text()
	} else if err := s.policy.Check(plain, email, "ADMIN_PASSWORD"); err != nil {
		return a, "", fmt.Errorf("ADMIN_PASSWORD: %w", err)
	}
	hash, err := s.hasher.Hash(ctx, plain)
	if err != nil {
		return a, "", err
	}
	now := s.now()
	return account.Account{
		ID: s.newID(), Email: email, Name: "Admin", Locale: account.DefaultLocale, Role: auth.Admin,
		PasswordHash: hash, Version: 1, CreatedAt: now, UpdatedAt: now,
	}, plain, nil
}

// adminExists is what must be so when the address of the first admin is taken:
// another replica was faster.
func (s *service) adminExists(ctx context.Context) error {
	found, err := store.HasAdmin(ctx, s.db, "")
	if err == nil && !found {
		err = fmt.Errorf("ADMIN_EMAIL is %s, which belongs to an account that is no admin: choose another", s.AdminEmail)
	}
	return err
}

func registered(a account.Account) events.UserRegistered {
	return events.UserRegistered{UserID: a.ID, Email: a.Email, Name: a.Name, Locale: a.Locale, Version: a.Version}
}
