package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/plaintext"
)

// The formats of strings that are not one line of plain text. Every other string of a
// JSON body is: package plaintext is its rule, so that no member can be forgotten.
const (
	passwordFormat  = "password"  // any characters, as they were sent
	multilineFormat = "multiline" // with tabs and line breaks
)

// checkString refuses a string, as it is quoted in the body, that has half of a surrogate
// pair, which encoding/json would replace, or that breaks the rule for its schema. What
// others refuse is left to them: bytes that are no UTF-8, the character U+0000, and no
// text where there must be some.
func (b *bounds) checkString(s *huma.Schema, quoted []byte) {
	if isPlain(quoted[1 : len(quoted)-1]) {
		return
	}
	if hasLoneSurrogate(quoted) {
		b.refuseText("it has half of a surrogate pair (\\ud800 to \\udfff), which is no character; remove it")
		return
	}
	if s == nil || s.Type != huma.TypeString || s.Format == passwordFormat {
		return
	}
	text := unquote(quoted)
	hidden := plaintext.Hidden
	if s.Format == multilineFormat {
		hidden = plaintext.HiddenInLines
	}
	switch r, found := hidden(text); {
	case found && r != 0:
		b.refuseText("it has the character U+%04X, which is invisible or changes how the text is shown; remove it", r)
	case !found && text != "" && s.MinLength != nil && *s.MinLength > 0 && !plaintext.HasVisible(text):
		b.refuseText("it must have at least one visible character")
	}
}

// isPlain reports whether text, as it is written in JSON, keeps every rule at a glance: it
// is printable ASCII without escapes, and not only blanks.
func isPlain(written []byte) bool {
	visible := len(written) == 0
	for _, c := range written {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
		visible = visible || c != ' '
	}
	return visible
}

// refuseText refuses the string at the present place. The walk goes on, to name all of
// them at once.
func (b *bounds) refuseText(format string, args ...any) {
	if len(b.texts) < maxErrors {
		b.texts = append(b.texts, &huma.ErrorDetail{Location: b.path.String(), Message: fmt.Sprintf(format, args...)})
	}
}

// unquote returns the text of a string in valid JSON.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	_ = json.Unmarshal(quoted, &text) // cannot fail: the string is valid
	return text
}

// hasLoneSurrogate reports whether a string in valid JSON has an escape that is half of a
// surrogate pair without the other half behind or before it.
func hasLoneSurrogate(quoted []byte) bool {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++ // the escaped character
		unit := escapedUnit(quoted, i)
		switch {
		case unit < 0xd800 || unit > 0xdfff:
		case unit > 0xdbff || !isLowSurrogate(escapedUnit(quoted, i+6)) || quoted[i+5] != '\\':
			return true
		default:
			i += 6
		}
	}
	return false
}

func isLowSurrogate(unit int) bool { return unit >= 0xdc00 && unit <= 0xdfff }

// escapedUnit returns the number in u0041 at a place in quoted, or 0 if there is none.
func escapedUnit(quoted []byte, at int) int {
	if at+5 > len(quoted) || quoted[at] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(quoted[at+1:at+5]), 16, 16)
	if err != nil {
		return 0
	}
	return int(unit)
}
