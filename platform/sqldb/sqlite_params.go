package sqldb

import "strings"

// positional writes $1, $2, ... as ? where each comes once and in order, which
// is nearly everywhere. To SQLite it is the same statement, but $n is a name: to
// bind n of them, the driver's look-ups read the list of names n times over,
// which for a statement of 256 rows costs more than to run it.
func positional(text string) string {
	var b strings.Builder
	next := 1
	for i := 0; i < len(text); {
		switch text[i] {
		case '\'':
			end := i + 1 + strings.IndexByte(text[i+1:], '\'') + 1
			if end == i+1 {
				return text // an unclosed literal: SQLite will say so
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

// number reads the digits that s starts with.
func number(s string) (n, width int) {
	for width < len(s) && s[width] >= '0' && s[width] <= '9' {
		n = n*10 + int(s[width]-'0')
		width++
	}
	return n, width
}
