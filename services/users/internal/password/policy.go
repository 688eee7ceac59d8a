package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"troupe/platform/fault"
)

// MaxBytes is the longest permitted password.
const MaxBytes = 1024

// Policy decides which passwords are accepted: long ones that are not easy to guess. It
// does not require digits or symbols, because such rules make passwords worse (NIST SP
// 800-63B).
type Policy struct {
	MinLength int // in characters
}

// Check returns fault.Invalid, with location as the field, if the password is not
// strong enough for the account with this e-mail address.
func (p Policy) Check(password, email, location string) error {
	if len(password) > MaxBytes {
		return weak(location, "the password is longer than %d bytes; choose a shorter one", MaxBytes)
	}
	password = Normalize(password)
	switch {
	case utf8.RuneCountInString(password) < p.MinLength:
		return weak(location, "the password needs at least %d characters; several words make a good one", p.MinLength)
	case guessable(strings.ToLower(password)):
		return weak(location, "the password is one of those that are tried first, or a common word with digits and signs around it; several words make a good one")
	case contains(password, email):
		return weak(location, "the password contains the e-mail address; choose another")
	case strings.TrimFunc(password, unicode.IsControl) != password:
		e := fault.New(fault.Invalid, "password_control_character",
			"the password begins or ends with a control character, such as a line feed or a tab, which is easily lost; remove it")
		return e.WithField(location, e.Message)
	}
	return nil
}

func weak(location, format string, args ...any) error {
	e := fault.New(fault.Invalid, "password_weak", format, args...)
	return e.WithField(location, e.Message)
}

// contains reports whether the password contains the name in the address. It ignores
// short names, because "a" or "al" is part of too many good passwords.
func contains(password, email string) bool {
	name, _, _ := strings.Cut(email, "@")
	return len(name) >= 4 && strings.Contains(strings.ToLower(password), strings.ToLower(name))
}
