package password

import (
	"slices"

	"golang.org/x/text/unicode/norm"
)

// Normalize returns the password in the form that is hashed, NFC, as RFC 8265 has it for
// passwords: é is one character, whether the keyboard sends it as one or as e and an
// accent.
func Normalize(password string) string { return norm.NFC.String(password) }

// spellings returns the forms of a password of which the stored hash may be, the
// normalized one first. Earlier versions hashed what a keyboard sent.
func spellings(password string) []string {
	all := []string{Normalize(password)}
	for _, form := range []string{password, norm.NFD.String(password)} {
		if !slices.Contains(all, form) {
			all = append(all, form)
		}
	}
	return all
}
