package sqldb

import "strings"

// positional replaces $1, $2, ... by ? if each occurs once and in order, as in nearly
// every statement; other statements it returns as they are. SQLite takes $n for a
// name, and to bind n names the driver searches the list of names n times. For a
// statement of 256 rows that costs more than to run it.
func positional(text string) string {
	var b strings.Builder
	next := 1
	for i := 0; i < len(text); {
		switch text[i] {
		case '\'':
			end := i + 1 + strings.IndexByte(text[i+1:], '\'') + 1
			if end == i+1 {
				return text // an unclosed literal, which SQLite refuses
			}
			b.WriteString(text[i:end])
			i = end
		case '$':
			n, width := number(text[i+1:])
			if n != next {
				return text
			}
			next++
			b.WriteByte('?')
			i += 1 + width
		default:
			b.WriteByte(text[i])
			i++
		}
	}
	return b.String()
}

// number returns the number that s starts with and how many digits it has.
func number(s string) (n, width int) {
	for width < len(s) && s[width] >= '0' && s[width] <= '9' {
		n = n*10 + int(s[width]-'0')
		width++
	}
	return n, width
}
