// Package account holds the rules of an account: the person who signs in, with an
// e-mail address, a name, a language and a role.
package account

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"troupe/platform/auth"
	"troupe/platform/fault"
)

// Account is a person's account.
type Account struct {
	ID           string
	Email        string // as ParseEmail returns it; unique
	Name         string
	Locale       string
	Role         auth.Role
	PasswordHash string
	// Version rises with every change that is published.
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Profile is the part of an account that its owner may change. A nil field is not
// changed.
type Profile struct {
	Name   *string
	Locale *string
}

// Change applies p and reports whether anything has changed. It returns fault.Invalid
// for a bad value.
func (a *Account) Change(p Profile, now time.Time) (changed bool, err error) {
	before := *a
	if p.Name != nil {
		if a.Name, err = ParseName(*p.Name); err != nil {
			return false, err
		}
	}
	if p.Locale != nil {
		if a.Locale, err = ParseLocale(*p.Locale); err != nil {
			return false, err
		}
	}
	if *a == before {
		return false, nil
	}
	a.Version++
	a.UpdatedAt = now
	return true, nil
}

// emailForm matches the addresses that HTML's input type=email accepts, with a dot in
// the domain. Addresses beyond ASCII are not accepted: few servers deliver to them,
// and two that look alike would be two accounts.
var emailForm = regexp.MustCompile(`^[a-z0-9!#$%&'*+/=?^_{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseEmail returns the address in the only form that is stored: trimmed and in lower
// case. It returns fault.Invalid for a bad one.
func ParseEmail(s string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(s))
	local, _, _ := strings.Cut(email, "@")
	if len(email) > 254 || len(local) > 64 || !emailForm.MatchString(email) {
		return "", invalid("email", "email_invalid", "the e-mail address must look like name@example.com")
	}
	return email, nil
}

const maxName = 100

// ParseName returns the name trimmed. It returns fault.Invalid for a bad one.
func ParseName(s string) (string, error) {
	name := strings.TrimSpace(s)
	n := utf8.RuneCountInString(name)
	if n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, disguises) || !strings.ContainsFunc(name, visible) {
		return "", invalid("name", "name_invalid",
			"the name must have 1 to 100 characters, at least one of them visible, and no control or invisible formatting characters")
	}
	return name, nil
}

// disguises reports whether r makes text look different from what it is, in mails and
// to the staff: it breaks the line or changes the direction of the text. The two
// joiners are formatting characters too, but Persian and Hindi are spelled with them.
func disguises(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	return r != joiner && r != nonJoiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// visible reports whether r alone renders as a visible glyph. A few letters are only
// fillers, and so is the blank of Braille.
func visible(r rune) bool {
	const brailleBlank = '\u2800'
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) &&
		r != brailleBlank && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// DefaultLocale is the language of accounts that have not chosen one.
const DefaultLocale = "en"

var localeForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z]{4})?(-([A-Z]{2}|[0-9]{3}))?$`)

// ParseLocale checks a language tag of BCP 47: language, script, region. It returns
// fault.Invalid for a bad one.
func ParseLocale(s string) (string, error) {
	if !localeForm.MatchString(s) {
		return "", invalid("locale", "locale_invalid", `the locale must be a language tag like "en" or "pt-BR"`)
	}
	return s, nil
}

func invalid(field, code, message string) error {
	return fault.New(fault.Invalid, code, "%s", message).WithField("body."+field, message)
}
