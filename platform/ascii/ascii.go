// Package ascii folds the case of ASCII letters and of nothing else, for names of
// protocols: e-mail addresses, hosts, headers, tags. Functions of package strings fold
// further: with them K (the Kelvin sign, U+212A) is a k and ſ (U+017F) is an s, so that
// two different names become one.
package ascii

// Lower returns s with the letters A to Z in lower case.
func Lower(s string) string { return fold(s, 'A', 'Z') }

// Upper returns s with the letters a to z in upper case.
func Upper(s string) string { return fold(s, 'a', 'z') }

// EqualFold reports whether a and b are the same but for the case of ASCII letters.
func EqualFold(a, b string) bool { return len(a) == len(b) && Lower(a) == Lower(b) }

// fold returns s with the letters from first to last in the other case.
func fold(s string, first, last byte) string {
	for i := range len(s) {
		if s[i] >= first && s[i] <= last {
			return foldFrom(s, i, first, last)
		}
	}
	return s
}

func foldFrom(s string, i int, first, last byte) string {
	const otherCase = 'a' ^ 'A'
	folded := []byte(s)
	for ; i < len(folded); i++ {
		if folded[i] >= first && folded[i] <= last {
			folded[i] ^= otherCase
		}
	}
	return string(folded)
}
