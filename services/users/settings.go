package users

import (
	"errors"
	"fmt"
	"slices"

	"troupe/services/users/internal/account"
	"troupe/services/users/internal/password"
)

type settings struct {
	// E-mail address of the first admin, whose account is created at the first start.
	AdminEmail string `env:"USERS_ADMIN_EMAIL" formerly:"ADMIN_EMAIL" envDefault:"admin@troupe.local"`
	// Password of the first admin. It has no effect if there is an admin already. In
	// production it is good for one sign-in, which must set another password.
	AdminPassword string `env:"USERS_ADMIN_PASSWORD" formerly:"ADMIN_PASSWORD" secret:"true"`
	// File with the password of the first admin, used if the setting USERS_ADMIN_PASSWORD
	// is empty. A file that does not exist is created, with a random password, and only
	// its owner may read it. Without either setting no admin is created.
	AdminPasswordFile string `env:"USERS_ADMIN_PASSWORD_FILE"`
	// How many characters a new password needs at least, from 8 to 64.
	MinPassword int `env:"USERS_PASSWORD_MIN_LENGTH" formerly:"PASSWORD_MIN_LENGTH" envDefault:"12"`
	// How much work a password hash takes: standard, or insecure, which is for tests
	// and refused in production.
	HashCost string `env:"USERS_PASSWORD_HASH_COST" formerly:"PASSWORD_HASH_COST" envDefault:"standard"`
	// How many accounts may be registered from one network address per minute, counted by
	// each replica; after a pause three times as many at once. 0: no limit, for load tests.
	RegistrationsPerMinute int `env:"USERS_REGISTRATIONS_PER_MINUTE" envDefault:"10"`
	// Whether sign-in attempts and registrations are also limited by the client's address, which is
	// taken from the end of X-Forwarded-For, where the gateway writes it. Set it to
	// false if clients can reach this port without the gateway, because they could
	// forge the header. Attempts are then limited by account only.
	TrustForwardedFor bool `env:"USERS_TRUST_FORWARDED_FOR" formerly:"TRUST_FORWARDED_FOR" envDefault:"true"`
	// Which version of session.revoked is published: 1, or 2, which names all sessions that
	// end together. Set it to 2 when no replica of a version that cannot read it is left. The
	// next release publishes 2.
	RevokedVersion int `env:"USERS_SESSION_REVOKED_VERSION" envDefault:"1"`
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
	case s.RegistrationsPerMinute < 0 || s.RegistrationsPerMinute > 1_000_000:
		return fmt.Errorf("USERS_REGISTRATIONS_PER_MINUTE is %d: set it to a number from 0 to 1000000", s.RegistrationsPerMinute)
	case s.RevokedVersion != 1 && s.RevokedVersion != 2:
		return fmt.Errorf("USERS_SESSION_REVOKED_VERSION is %d: set it to 1 or 2", s.RevokedVersion)
	case !validEmail(s.AdminEmail):
		return fmt.Errorf("USERS_ADMIN_EMAIL is %q: it must look like name@example.com", s.AdminEmail)
	case s.HashCost != "standard" && s.HashCost != "insecure":
		return fmt.Errorf("USERS_PASSWORD_HASH_COST is %q: set it to standard", s.HashCost)
	case s.Production && s.HashCost == "insecure":
		return errors.New("USERS_PASSWORD_HASH_COST is insecure: remove the setting in production")
	case s.Production && slices.Contains(knownPasswords, s.AdminPassword):
		return errors.New("USERS_ADMIN_PASSWORD is published with this project: choose your own, or set USERS_ADMIN_PASSWORD_FILE to have a random one written to a file")
	}
	return nil
}

func validEmail(s string) bool {
	_, err := account.ParseEmail(s)
	return err == nil
}

func (s *service) hashCost() password.Cost {
	if s.HashCost == "insecure" {
		return password.Insecure
	}
	return password.Standard
}
