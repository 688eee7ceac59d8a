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

// MaxBody is the largest size of a request body, in bytes.
const MaxBody = 1 << 20

const (
	// firstRead is the most memory, in bytes, that is allocated because of Content-Length
	// alone, before any byte of the body has arrived.
	firstRead = 16 << 10
	jsonType  = "application/json"
	formType  = "application/x-www-form-urlencoded"
)

var (
	errBadURL = fault.New(fault.Malformed, "malformed_url",
		"the path and the query must be percent-encoded UTF-8 text without U+0000")
	errBodyTooLarge = fault.New(fault.TooLarge, "body_too_large",
		"the body must not be larger than %d bytes", MaxBody)
	errIncompleteBody = fault.New(fault.Malformed, "body_incomplete", "the body ended before it was complete; send it again")
	errUnexpectedBody = fault.New(fault.Malformed, "body_unexpected",
		"this operation takes no body, and nothing was done; leave the body out, or send {}")
	errEncodedBody = fault.New(fault.Unsupported, "unsupported_encoding",
		"send the body uncompressed and without Content-Encoding; compressed bodies are not supported")
)

// bodyType returns the media type of the operation's body, "" if it takes none.
func bodyType(op *huma.Operation) string {
	if op.RequestBody == nil {
		return ""
	}
	for mediaType := range op.RequestBody.Content {
		if mediaType != jsonType && mediaType != formType {
			panic("httpapi: " + op.Path + " declares a body of type " + mediaType + "; only JSON and forms are supported")
		}
		return mediaType
	}
	return ""
}

// boundHeaders returns the names of the headers that the operation's input binds.
func boundHeaders(op *huma.Operation) []string {
	var names []string
	for _, p := range op.Parameters {
		if p.In == "header" {
			names = append(names, http.CanonicalHeaderKey(p.Name))
		}
	}
	return names
}

// checkText returns an error if the URL or one of the headers is not text that every
// database can store. The body is checked when it is decoded.
func checkText(r *http.Request, headers []string) error {
	query := r.URL.RawQuery
	if strings.ContainsRune(query, '%') {
		var err error
		if query, err = url.QueryUnescape(query); err != nil {
			return errBadURL.WithCause(err)
		}
	}
	if !isStorable(r.URL.Path) || !isStorable(query) {
		return errBadURL
	}
	for _, name := range headers {
		for _, value := range r.Header[name] {
			if !isStorable(value) {
				return fault.New(fault.Malformed, "malformed_header", "the header %s must be UTF-8 text", name)
			}
		}
	}
	return nil
}

func isStorable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// bodyOf reads the body that an operation of that method takes; mediaType is "" if
// it takes none. A body of GET has no meaning (RFC 9110, 9.3.1) and is ignored.
func bodyOf(r *http.Request, method, mediaType string) ([]byte, error) {
	switch {
	case mediaType != "":
		return readBody(r, mediaType)
	case method != http.MethodGet:
		return nil, rejectBody(r)
	}
	return nil, nil
}

// removeSpace removes the characters that are white space in JSON.
var removeSpace = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "")

// rejectBody returns an error if the request has a body: its sender believes that
// the body has an effect, so it must not be ignored. An empty object is accepted,
// because many clients send one when they have nothing to send.
func rejectBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if err := checkEncoding(r.Header["Content-Encoding"]); err != nil {
		return err
	}
	const most = 64 // bytes; more than that is not an empty object with some space
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		return errIncompleteBody.WithCause(err)
	}
	if content := removeSpace.Replace(string(body)); len(body) > most || content != "" && content != "{}" {
		return errUnexpectedBody
	}
	return nil
}

// readBody reads the whole body, which must be of the wanted media type.
func readBody(r *http.Request, want string) ([]byte, error) {
	if err := checkEncoding(r.Header["Content-Encoding"]); err != nil {
		return nil, err
	}
	if err := checkType(r.Header["Content-Type"], want); err != nil {
		return nil, err
	}
	if r.ContentLength > MaxBody {
		return nil, errBodyTooLarge
	}
	var b bytes.Buffer
	b.Grow(int(min(max(0, r.ContentLength), firstRead)) + bytes.MinRead)
	_, err := b.ReadFrom(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errBodyTooLarge
	case err != nil:
		return nil, errIncompleteBody.WithCause(err)
	}
	return b.Bytes(), nil
}

// checkEncoding returns an error for a compressed body, which would otherwise be
// reported as broken JSON.
func checkEncoding(values []string) error {
	for _, coding := range values {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			return errEncodedBody
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
