// Package plaintext is the one rule for text that people type and others read: names,
// lines of an address, reasons. Such text looks the same everywhere: no character in it
// is invisible, breaks the line or changes the direction of the rest.
package plaintext

import "unicode"

// Hidden returns the first character of one line of text that the rule forbids, and
// whether there is one.
func Hidden(line string) (r rune, found bool) { return first(line, disguises) }

// HiddenInLines is Hidden for text that may have tabs and line breaks.
func HiddenInLines(text string) (r rune, found bool) {
	return first(text, func(r rune) bool { return r != '\n' && r != '\r' && r != '\t' && disguises(r) })
}

// HasVisible reports whether text has a character that alone renders as a visible glyph.
func HasVisible(text string) bool {
	_, found := first(text, visible)
	return found
}

func first(text string, is func(rune) bool) (rune, bool) {
	for _, r := range text {
		if is(r) {
			return r, true
		}
	}
	return 0, false
}

// disguises reports whether r makes text look different from what it is, in mails and
// to the staff: it is invisible, breaks the line or changes the direction of the text.
// The two joiners are formatting characters too, but Persian and Hindi are spelled with
// them, and some emoji.
func disguises(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	return r != joiner && r != nonJoiner &&
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point)
}

// visible reports whether r alone renders as a visible glyph. A few letters are only
// fillers, and so is the blank of Braille.
func visible(r rune) bool {
	const brailleBlank = '\u2800'
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) &&
		r != brailleBlank && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
