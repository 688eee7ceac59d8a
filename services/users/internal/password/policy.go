package password

import (
	"slices"
	"strings"
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
	switch {
	case len(password) > MaxBytes:
		return weak(location, "the password is longer than %d bytes; choose a shorter one", MaxBytes)
	case utf8.RuneCountInString(password) < p.MinLength:
		return weak(location, "the password needs at least %d characters; several words make a good one", p.MinLength)
	case guessable(strings.ToLower(password)):
		return weak(location, "the password is easy to guess; choose another")
	case contains(password, email):
		return weak(location, "the password contains the e-mail address; choose another")
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

// common are the words that most weak passwords consist of, with or without digits and
// symbols around them.
var common = []string{
	"abc", "admin", "administrator", "baseball", "change", "changeme", "correcthorsebatterystaple", "default", "dragon",
	"football", "guest", "hello", "helloworld", "iloveyou", "iloveyousomuch", "letmein", "login", "loveyou", "master", "monkey",
	"mypassword", "p@ssw0rd", "passw0rd", "passwd", "password", "princess", "qwe", "qwerty", "qwertyuiop", "root", "secret",
	"sunshine", "superman", "supersecret", "test", "testing", "thisismypassword", "troupe", "trustno1", "user", "welcome", "whatever",
}

// runs are sequences of the alphabet and of neighboring keys.
var runs = []string{
	"01234567890123456789", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
	"qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "1q2w3e4r5t6y7u8i9o0p",
}

var separators = strings.NewReplacer(" ", "", "-", "", "_", "", ".", "")

func guessable(lower string) bool {
	words := separators.Replace(lower)
	if words == "" {
		return true // twelve spaces are long, but easy to guess
	}
	unit := repeated(words)
	bare := strings.Trim(unit, "0123456789 !\"#$%&'()*+,-./:;<=>?@_")
	return distinct(lower) < 5 || slices.Contains(common, unit) || slices.Contains(common, bare) || inRun(unit) || inRun(lower)
}

// repeated returns the shortest string of which s is a repetition. s is not empty.
func repeated(s string) string {
	if at := strings.Index((s + s)[1:], s); at >= 0 {
		return s[:at+1]
	}
	return s
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

func inRun(s string) bool {
	backwards := []byte(s)
	slices.Reverse(backwards)
	return slices.ContainsFunc(runs, func(run string) bool {
		return strings.Contains(run, s) || strings.Contains(run, string(backwards))
	})
}
