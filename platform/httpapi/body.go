package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/fault"
)

// MaxBody is how many bytes the body of a request may have.
const MaxBody = 1 << 20

const (
	// firstRead is how much is set aside on the mere word of Content-Length.
	firstRead = 16 << 10
	jsonType  = "application/json"
	formType  = "application/x-www-form-urlencoded"
)

var (
	errBadURL = fault.New(fault.Malformed, "malformed_url",
		"the path and the query must be percent-encoded UTF-8 text without U+0000")
	errTooLarge = fault.New(fault.TooLarge, "body_too_large",
		"the body must not be larger than %d bytes", MaxBody)
	errIncomplete = fault.New(fault.Malformed, "body_incomplete", "the body ended early; send it again")
	errUnexpected = fault.New(fault.Malformed, "body_unexpected",
		"this takes no body, and nothing was done; leave the body out, or send {}")
	errEncoded = fault.New(fault.Unsupported, "unsupported_encoding",
		"send the body as it is, with no Content-Encoding; compressed bodies are not read")
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
			return errBadURL.WithCause(err)
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

func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// bodyOf reads what an operation of that method takes as its body. A body of GET
// means nothing (RFC 9110, 9.3.1), and changes nothing: it is let be.
func bodyOf(r *http.Request, method, mediaType string) ([]byte, error) {
	switch {
	case mediaType != "":
		return readBody(r, mediaType)
	case method != http.MethodGet:
		return nil, readNothing(r)
	}
	return nil, nil
}

// blanks are what JSON takes for space.
var blanks = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "")

// readNothing refuses a body where none is taken: who sends one believes that it
// says something. An empty object is how many clients say nothing.
func readNothing(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if err := checkEncoding(r.Header["Content-Encoding"]); err != nil {
		return err
	}
	const most = 64 // bytes; there is no need to read on to know that it is too much
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		return errIncomplete.WithCause(err)
	}
	if said := blanks.Replace(string(body)); len(body) > most || said != "" && said != "{}" {
		return errUnexpected
	}
	return nil
}

// readBody reads the whole body, if it is of the media type that is wanted.
func readBody(r *http.Request, want string) ([]byte, error) {
	if err := checkEncoding(r.Header["Content-Encoding"]); err != nil {
		return nil, err
	}
	if err := checkType(r.Header["Content-Type"], want); err != nil {
		return nil, err
	}
	if r.ContentLength > MaxBody {
		return nil, errTooLarge
	}
	var b bytes.Buffer
	b.Grow(int(min(max(0, r.ContentLength), firstRead)) + bytes.MinRead)
	_, err := b.ReadFrom(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, errIncomplete.WithCause(err)
	}
	return b.Bytes(), nil
}

// checkEncoding refuses what would otherwise be taken for broken JSON.
func checkEncoding(values []string) error {
	for _, coding := range values {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return errEncoded
		}
	}
	return nil
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
