package httpapi

import (
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

// huma matches members in any case, as encoding/json does; only this switch of the
// whole process tells it not to, and this is the only package that knows huma.
func init() { huma.ValidateStrictCasing = true }

// decode reads a body twice: huma asks first for an any to validate, then for the
// operation's struct. The first time is when everything is checked.
func decode(mediaType string, data []byte, into any) error {
	if mediaType == formType {
		var err error
		if data, err = formToJSON(data); err != nil {
			return err
		}
	}
	tree, first := into.(*any)
	if !first {
		return inWords(json.Unmarshal(data, into))
	}
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	if err := json.Unmarshal(data, tree); err != nil {
		return inWords(err)
	}
	return survey(*tree, data)
}

// inWords says what json says, for somebody who knows no Go.
func inWords(err error) error {
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
	errTwice = errors.New("an object has the same key twice")
	errNull  = errors.New("text must not hold the character U+0000")
)

// survey refuses a tree that is not all that the valid JSON says, or that
// encoding/json could read in another way than the validation does: keys that
// differ in case alone are one key to it.
func survey(tree any, valid []byte) error {
	members, err := count(tree)
	if err == nil && members != countMembers(valid) {
		return errTwice
	}
	return err
}

// count gives the number of members of all objects in the tree.
func count(tree any) (members int, err error) {
	switch t := tree.(type) {
	case string:
		return 0, storableText(t)
	case []any:
		for _, item := range t {
			n, err := count(item)
			if err != nil {
				return 0, err
			}
			members += n
		}
	case map[string]any:
		if foldedTogether(t) {
			return 0, errTwice
		}
		members = len(t)
		for key, item := range t {
			n, err := count(item)
			if err := cmp.Or(err, storableText(key)); err != nil {
				return 0, err
			}
			members += n
		}
	}
	return members, nil
}

func storableText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return errNull
	}
	return nil
}

// foldedTogether says whether two keys differ in case alone. Most objects have
// only plain keys, of which no two can.
func foldedTogether(object map[string]any) bool {
	allPlain := true
	for key := range object {
		allPlain = allPlain && plain(key)
	}
	if allPlain {
		return false
	}
	folded := make(map[string]struct{}, len(object))
	for key := range object {
		folded[strings.Map(fold, key)] = struct{}{}
	}
	return len(folded) < len(object)
}

func plain(key string) bool {
	for i := range len(key) {
		if c := key[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fold gives the same rune for all that strings.EqualFold takes for equal.
func fold(r rune) rune {
	lowest := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		lowest = min(lowest, next)
	}
	return lowest
}

// countMembers counts the colons outside strings: one for each member that valid
// JSON spells out, also where a later one takes its place.
func countMembers(valid []byte) int {
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

// formToJSON makes an object of strings; a repeated name is refused (RFC 6749, 3.2).
// A name that is not plain is none of ours. It is dropped, because a form may ignore
// unknown names in validation, where encoding/json would take it for ours after all.
func formToJSON(data []byte) ([]byte, error) {
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, err
	}
	object := make(map[string]string, len(values))
	for name, v := range values {
		if len(v) > 1 {
			return nil, errors.New("a form field is given twice")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(v[0]) {
			return nil, errors.New("it is not UTF-8")
		}
		if plain(name) {
			object[name] = v[0]
		}
	}
	return json.Marshal(object)
}
