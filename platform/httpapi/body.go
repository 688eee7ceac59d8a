package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/fault"
)

const (
	maxBody  = 1 << 20
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// bodyType is the media type an operation takes, "" if it takes no body.
func bodyType(op *huma.Operation) string {
	if op.RequestBody == nil {
		return ""
	}
	for mediaType := range op.RequestBody.Content {
		if mediaType != jsonType && mediaType != formType {
			panic("httpapi: " + op.Path + " wants a body of type " + mediaType + "; only JSON and forms are read")
		}
		return mediaType
	}
	return ""
}

func boundHeaders(op *huma.Operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.In == "header" {
			names = append(names, http.CanonicalHeaderKey(p.Name))
		}
	}
	return names
}

// checkText refuses what no database takes as text, in every place but the body.
func checkText(r *http.Request, headers []string) error {
	query := r.URL.RawQuery
	if strings.ContainsRune(query, '%') {
		var err error
		if query, err = url.QueryUnescape(query); err != nil {
			return errBadURL.Because(err)
		}
	}
	if !storable(r.URL.Path) || !storable(query) {
		return errBadURL
	}
	for _, name := range headers {
		for _, value := range r.Header[name] {
			if !storable(value) {
				return fault.New(fault.Malformed, "malformed_header", "the header %s must be UTF-8 text", name)
			}
		}
	}
	return nil
}

var errBadURL = fault.New(fault.Malformed, "malformed_url", "the path and the query must be percent-encoded UTF-8 text without U+0000")

func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// readBody reads the whole body, if it is of the media type that is wanted.
func readBody(r *http.Request, want string) ([]byte, error) {
	if err := checkType(r.Header["Content-Type"], want); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := b.ReadFrom(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.New(fault.TooLarge, "body_too_large", "the body must not be larger than %d bytes", maxBody)
	case err != nil:
		return nil, fault.New(fault.Malformed, "body_incomplete", "the body ended early; send it again").Because(err)
	}
	return b.Bytes(), nil
}

func checkType(values []string, want string) error {
	if len(values) == 0 || len(values) == 1 && values[0] == want {
		return nil
	}
	got, params, err := mime.ParseMediaType(values[0])
	charset := params["charset"]
	if len(values) > 1 || err != nil || got != want || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return fault.New(fault.Unsupported, "unsupported_media_type", "send the body as Content-Type: %s in UTF-8", want)
	}
	return nil
}

// decode reads a body twice: huma asks first for an any to validate, then for the
// operation's struct. The first time is when everything is checked.
func decode(contentType string, data []byte, into any) error {
	if strings.HasPrefix(contentType, formType) {
		var err error
		if data, err = formToJSON(data); err != nil {
			return err
		}
	}
	tree, first := into.(*any)
	if !first {
		return json.Unmarshal(data, into)
	}
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	if err := json.Unmarshal(data, tree); err != nil {
		return err
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
