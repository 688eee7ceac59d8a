// Package account holds the rules of an account: the person who signs in, with an
// e-mail address, a name, a language and a role.
package account

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/plaintext"
)

// Account is a person's account.
type Account struct {
	ID           string
	Email        string // as ParseEmail returns it; unique
	Name         string
	Locale       string
	Role         auth.Role
	PasswordHash string
	// PasswordChangeRequired means that the password is only good for setting another.
	PasswordChangeRequired bool
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
		a.Locale = Locale(*p.Locale)
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
// and two that look alike would be two accounts. It is not (?i), which would also match
// the letters beyond ASCII that fold to k and s.
var emailForm = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// ParseEmail returns the address in the only form that is stored: without the blanks
// around it and in lower case, otherwise as it was typed. It returns fault.Invalid for a
// bad one. The address is checked before its case is folded.
func ParseEmail(s string) (string, error) {
	email := strings.Trim(s, " \t\r\n")
	local, _, _ := strings.Cut(email, "@")
	if len(email) > 254 || len(local) > 64 || !emailForm.MatchString(email) {
		return "", invalid("email", "email_invalid", "the e-mail address must look like name@example.com")
	}
	return ascii.Lower(email), nil
}

const maxName = 100

// ParseName returns the name trimmed. It returns fault.Invalid for a bad one.
func ParseName(s string) (string, error) {
	name := strings.TrimSpace(s)
	n := utf8.RuneCountInString(name)
	if _, hidden := plaintext.Hidden(name); n > maxName || hidden || !utf8.ValidString(name) || !plaintext.HasVisible(name) {
		return "", invalid("name", "name_invalid",
			"the name must have 1 to 100 characters, at least one of them visible, and no control or invisible formatting characters")
	}
	if link.MatchString(name) || encodedWord.MatchString(name) {
		return "", invalid("name", "name_invalid",
			"the name must not contain a web or mail address; if yours has a dot, put a blank after it")
	}
	return name, nil
}

// link matches what mail programs and staff tools turn into a link: a scheme, www., or
// two words around a dot without a blank, also one of the dots that IDNA reads as one.
// Initials are not links: J.R.R. Tolkien, O.Connor.
var link = regexp.MustCompile(`(?i)://|www[.．。｡]|@|[\p{L}\p{N}-]{2,}[.．。｡][\p{L}]{2,}`)

// encodedWord matches the beginning of an encoded word (RFC 2047), which mail programs
// decode in a header: the checked text would not be the one that is shown.
var encodedWord = regexp.MustCompile(`=\?[^?]+\?[bBqQ]\?`)

// DefaultLocale is the language of accounts that have not chosen one.
const DefaultLocale = "en"

// Locale returns the language tag (BCP 47) that a browser or an operating system means, in
// the form that is stored: "en-us" is en-US, and so is "en_US.UTF-8". What is no language
// tag is DefaultLocale: the wish for a language is no reason to refuse a customer.
func Locale(s string) string {
	if end := strings.IndexAny(s, ".@,;"); end >= 0 {
		s = s[:end] // a character set, a modifier, or the next language of a list
	}
	tag, _ := language.Raw.Parse(strings.TrimSpace(s))
	if tag == language.Und {
		return DefaultLocale
	}
	return tag.String()
}

func invalid(field, code, message string) error {
	return fault.New(fault.Invalid, code, "%s", message).WithField("body."+field, message)
}
