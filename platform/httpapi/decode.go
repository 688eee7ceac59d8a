package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

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
	members, text := survey(*tree)
	switch {
	case !text:
		return errors.New("text must not hold the character U+0000")
	case members != countMembers(data):
		return errors.New("an object has the same key twice")
	}
	return nil
}

// inWords says what json says, for somebody who knows no Go.
func inWords(err error) error {
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

// survey counts the members of all objects and says whether all text is storable.
func survey(v any) (members int, text bool) {
	switch t := v.(type) {
	case string:
		return 0, strings.IndexByte(t, 0) < 0
	case []any:
		for _, item := range t {
			n, ok := survey(item)
			if members += n; !ok {
				return members, false
			}
		}
	case map[string]any:
		members = len(t)
		for key, item := range t {
			n, ok := survey(item)
			if members += n; !ok || strings.IndexByte(key, 0) >= 0 {
				return members, false
			}
		}
	}
	return members, true
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
		object[name] = v[0]
	}
	return json.Marshal(object)
}
