package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// By default huma matches members in any case, as encoding/json does. Exact matching
// can only be set for the whole process; this is the only package that imports huma.
func init() { huma.ValidateStrictCasing = true }

// decode parses a body into the value. huma calls it twice: first with an any, which
// it validates, then with the operation's struct. Everything is checked the first time.
func decode(mediaType string, data []byte, into any) error {
	if mediaType == formType {
		var err error
		if data, err = formToJSON(data); err != nil {
			return err
		}
	}
	tree, first := into.(*any)
	if !first {
		return explainJSONError(json.Unmarshal(data, into))
	}
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	if err := json.Unmarshal(data, tree); err != nil {
		return explainJSONError(err)
	}
	return rejectDuplicateKeys(*tree, data)
}

// explainJSONError rewords an error of encoding/json for readers who do not know Go.
func explainJSONError(err error) error {
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%w, at byte %d", syntax, syntax.Offset)
	case errors.As(err, &mismatch):
		return fmt.Errorf("%s does not fit %s", mismatch.Value, cmp.Or(mismatch.Field, "here"))
	}
	return err
}

var (
	errDuplicateKey  = errors.New("an object has the same key twice")
	errNullCharacter = errors.New("text must not contain the character U+0000")
)

// rejectDuplicateKeys returns an error if an object of the valid JSON, parsed as tree,
// has the same key twice, of which the tree has only the last, or two keys that differ
// only in case, which encoding/json would bind to the same field. In both cases the
// struct could get another value than the one that was validated. It also returns an
// error for text with the character U+0000.
func rejectDuplicateKeys(tree any, valid []byte) error {
	members, err := countMembers(tree)
	if err == nil && members != countWrittenMembers(valid) {
		return errDuplicateKey
	}
	return err
}

// countMembers returns the number of members of all objects in the tree. It fails if
// two keys of an object differ only in case, or if a text is not storable.
func countMembers(tree any) (members int, err error) {
	switch t := tree.(type) {
	case string:
		return 0, checkStorable(t)
	case []any:
		for _, item := range t {
			n, err := countMembers(item)
			if err != nil {
				return 0, err
			}
			members += n
		}
	case map[string]any:
		if differInCaseOnly(t) {
			return 0, errDuplicateKey
		}
		members = len(t)
		for key, item := range t {
			n, err := countMembers(item)
			if err := cmp.Or(err, checkStorable(key)); err != nil {
				return 0, err
			}
			members += n
		}
	}
	return members, nil
}

func checkStorable(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return errNullCharacter
	}
	return nil
}

// differInCaseOnly reports whether two keys of the object differ only in case. Most
// objects have only lower-case ASCII keys, which never do.
func differInCaseOnly(object map[string]any) bool {
	allLower := true
	for key := range object {
		allLower = allLower && isLowerASCII(key)
	}
	if allLower {
		return false
	}
	folded := make(map[string]struct{}, len(object))
	for key := range object {
		folded[strings.Map(foldRune, key)] = struct{}{}
	}
	return len(folded) < len(object)
}

// isLowerASCII reports whether key has only ASCII characters, and no upper-case ones.
func isLowerASCII(key string) bool {
	for i := range len(key) {
		if c := key[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns the same rune for all runes that strings.EqualFold treats as equal.
func foldRune(r rune) rune {
	lowest := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		lowest = min(lowest, next)
	}
	return lowest
}

// countWrittenMembers returns the number of members as they are written in valid JSON,
// which is the number of colons outside strings. Unlike the parsed tree it also counts
// a member that a later one with the same key has replaced.
func countWrittenMembers(valid []byte) int {
	n, inString := 0, false
	for i := 0; i < len(valid); i++ {
		switch c := valid[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			i++
		case c == ':' && !inString:
			n++
		}
	}
	return n
}

// formToJSON converts a form to a JSON object of strings. A repeated name is an error
// (RFC 6749, 3.2). Names with upper-case or non-ASCII characters are dropped: no
// operation has such a name, and where a form may ignore unknown names in validation,
// encoding/json would still bind them, as it matches names in any case.
func formToJSON(data []byte) ([]byte, error) {
	if fields := bytes.Count(data, []byte{'&'}) + 1; fields > maxFields {
		return nil, fmt.Errorf("it has %d fields, more than %d", fields, maxFields)
	}
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, err
	}
	object := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) > 1 {
			return nil, errors.New("a form field is sent twice")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(v[0]) {
			return nil, errors.New("it is not UTF-8")
		}
		if isLowerASCII(name) {
			object[name] = v[0]
		}
	}
	return json.Marshal(object)
}
