package password

import (
	"slices"
	"strings"
	"unicode/utf8"

	"troupe/services/users/internal/password/leaked"
)

// common are words that weak passwords consist of and that the list of leaked passwords
// lacks, or that are too short to be looked up there.
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

// digitsAndSigns are what people add to a word in order to satisfy a rule.
const (
	signs          = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	digitsAndSigns = "0123456789" + signs
)

// substitutions undoes the usual exchange of letters for digits and signs.
var substitutions = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

// shiftedDigits replaces the signs above the digits of an American keyboard by the digits.
var shiftedDigits = strings.NewReplacer("!", "1", "@", "2", "#", "3", "$", "4", "%", "5", "^", "6", "&", "7", "*", "8", "(", "9", ")", "0")

// guessable reports whether a password in lower case is one that attackers try first, or
// is made of one by repetition, separators, substitutions, or digits and signs at the
// ends.
func guessable(lower string) bool {
	words := separators.Replace(lower)
	if words == "" {
		return true // twelve spaces are long, but easy to guess
	}
	return distinct(lower) < 5 || inRun(repeated(words)) || inRun(shiftedDigits.Replace(lower)) || mostlyRun(words) ||
		slices.ContainsFunc(forms(lower, words), known)
}

// mostlyRun reports whether s is a run of digits with up to three letters before or
// after it.
func mostlyRun(s string) bool {
	word := strings.Trim(s, digitsAndSigns)
	digits := strings.Trim(strings.Replace(s, word, "", 1), signs)
	return utf8.RuneCountInString(word) < shortestKnown && len(digits) >= shortestKnown && inRun(digits)
}

// forms returns the strings to look up for a password: as it is, without digits and
// signs at its ends, without repetition, and with substitutions undone. The ends are
// taken off before the substitutions are undone, because "1" at the end is a digit more
// often than an "i".
func forms(lower, words string) []string {
	all := []string{lower, words, strings.Trim(lower, signs), strings.Trim(words, digitsAndSigns), strings.TrimLeft(words, digitsAndSigns)}
	for _, form := range all {
		all = append(all, substitutions.Replace(form))
	}
	for _, form := range all {
		if form != "" {
			all = append(all, repeated(form))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shortestKnown is the length from which on a form is looked up among the leaked
// passwords: nearly every sequence of three letters is one.
const shortestKnown = 4

func known(form string) bool {
	return slices.Contains(common, form) || utf8.RuneCountInString(form) >= shortestKnown && leaked.Contains(form)
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
