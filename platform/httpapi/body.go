package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/ascii"
	"troupe/platform/fault"
)

// The largest sizes of request bodies, in bytes: MaxBody that of any, DefaultBody that of
// an operation without [BodyLimit].
const (
	MaxBody     = 1 << 20
	DefaultBody = 16 << 10
)

const (
	// firstRead is the most memory, in bytes, that is allocated because of Content-Length
	// alone, before any byte of the body has arrived.
	firstRead = 16 << 10
	jsonType  = "application/json"
	formType  = "application/x-www-form-urlencoded"
	// mergePatchType is that of a JSON merge patch (RFC 7396), which every PATCH takes.
	mergePatchType = "application/merge-patch+json"
	cloudEventType = "application/cloudevents+json"
)

var (
	errBadURL = fault.New(fault.Malformed, "malformed_url",
		"the path and the query must be percent-encoded UTF-8 text without U+0000")
	errLateBody       = fault.New(fault.TooSlow, "body_too_slow", "the body did not arrive in time; send it again")
	errIncompleteBody = fault.New(fault.Malformed, "body_incomplete", "the body ended before it was complete; send it again")
	errUnexpectedBody = fault.New(fault.Malformed, "body_unexpected",
		"this operation takes no body, and nothing was done; leave the body out, or send {}")
	errIdempotencyKey = fault.New(fault.Invalid, "idempotency_key_invalid",
		"the header Idempotency-Key must be one key that is not empty; leave the header out to send the request without a key")
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

// bound are the names of the headers and query parameters that an operation's input binds.
type bound struct{ headers, query []string }

func boundBy(op *huma.Operation) (b bound) {
	for _, p := range op.Parameters {
		switch p.In {
		case "header":
			b.headers = append(b.headers, http.CanonicalHeaderKey(p.Name))
		case "query":
			b.query = append(b.query, p.Name)
		}
	}
	return b
}

// check returns an error if the URL or one of the headers is not text that every
// database can store, or has a value that could be read in two ways. The body is checked
// when it is decoded.
func (b bound) check(r *http.Request) error {
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
	for _, name := range b.headers {
		for _, value := range r.Header[name] {
			if !isStorable(value) {
				return fault.New(fault.Malformed, "malformed_header", "the header %s must be UTF-8 text", name)
			}
		}
		if name == idempotencyKey && !isOneKey(r.Header[name]) {
			return errIdempotencyKey
		}
	}
	return b.checkQuery(r.URL)
}

const idempotencyKey = "Idempotency-Key"

// isOneKey reports whether the header is absent or one key. An empty key would count as
// none, and the repetition that it is to make harmless would place a second order.
func isOneKey(values []string) bool {
	return len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) != ""
}

func isStorable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// bodyOf reads the body that an operation of that method takes; mediaType is "" if
// it takes none. A body of GET has no meaning (RFC 9110, 9.3.1) and is ignored.
func bodyOf(r *http.Request, method, mediaType string, most int64) ([]byte, error) {
	switch {
	case mediaType != "":
		return readBody(r, mediaType, most)
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
		return explainReadError(err)
	}
	if content := removeSpace.Replace(string(body)); len(body) > most || content != "" && content != "{}" {
		return errUnexpectedBody
	}
	return nil
}

// readBody reads the whole body, which must be of the wanted media type and at most so
// many bytes.
func readBody(r *http.Request, want string, most int64) ([]byte, error) {
	if err := checkEncoding(r.Header["Content-Encoding"]); err != nil {
		return nil, err
	}
	if err := checkType(r.Method, r.Header["Content-Type"], want); err != nil {
		return nil, err
	}
	if r.ContentLength > most {
		return nil, bodyTooLarge(most)
	}
	var b bytes.Buffer
	b.Grow(int(min(max(0, r.ContentLength), firstRead)) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(r.Body, most+1)); err != nil {
		return nil, explainReadError(err)
	}
	if int64(b.Len()) > most {
		return nil, bodyTooLarge(most)
	}
	return bytes.TrimPrefix(b.Bytes(), byteOrderMark), nil
}

// byteOrderMark begins files and bodies of some programs; RFC 8259 (8.1) allows to ignore
// it.
var byteOrderMark = []byte("\ufeff")

func bodyTooLarge(most int64) error {
	return fault.New(fault.TooLarge, "body_too_large", "the body must not be larger than %d bytes", most)
}

// explainReadError returns the error for the client of a body that cannot be read.
func explainReadError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errLateBody.WithCause(err)
	}
	return errIncompleteBody.WithCause(err)
}

// checkEncoding returns an error for a compressed body, which would otherwise be
// reported as broken JSON.
func checkEncoding(values []string) error {
	for _, coding := range values {
		if coding != "" && !ascii.EqualFold(coding, "identity") {
			return errEncodedBody
		}
	}
	return nil
}

// checkType returns an error if the body is not of the wanted type, or in PATCH a merge
// patch. Its parameters have no effect, not even a charset: text is UTF-8, or it is
// refused when it is decoded.
func checkType(method string, values []string, want string) error {
	if len(values) == 0 || len(values) == 1 && values[0] == want {
		return nil
	}
	got := mediaTypeOf(values[0])
	if len(values) > 1 || got != want && !isMergePatch(method, got, want) && !isCloudEvent(method, got, want) {
		return fault.New(fault.Unsupported, "unsupported_media_type", "send the body as Content-Type: %s in UTF-8", want)
	}
	return nil
}

// mediaTypeOf returns the media type without its parameters, "" if it cannot be read.
func mediaTypeOf(contentType string) string {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return mediaType
}

// isCloudEvent reports whether the body is JSON that the client libraries of CloudEvents send.
func isCloudEvent(method, got, want string) bool {
	return method == http.MethodPost && want == jsonType && got == cloudEventType
}

func isMergePatch(method, got, want string) bool {
	return method == http.MethodPatch && want == jsonType && got == mergePatchType
}

// checkMergePatch returns an error if a merge patch removes a member: no member of ours
// can be removed, and to ignore its null would report a success that is none.
func checkMergePatch(r *http.Request, body []byte) error {
	if !isMergePatch(r.Method, mediaTypeOf(r.Header.Get("Content-Type")), jsonType) {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil // decode reports what is wrong
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if string(members[name]) == "null" {
			return fault.New(fault.Invalid, "member_not_removable",
				"the member %s cannot be removed, which null in a merge patch stands for; leave it out, or send another value", truncate(name)).
				WithField(truncate("body."+name), "cannot be removed")
		}
	}
	return nil
}

// advertiseTypes adds to a 415 what the operation takes instead (RFC 9110, section
// 15.5.16; Accept-Post, LDP, section 7.1; Accept-Patch, RFC 5789, section 3.1).
func advertiseTypes(h http.Header, method, mediaType string, err error) {
	switch {
	case !fault.Is(err, fault.Unsupported) || mediaType == "":
	case errors.Is(err, errEncodedBody):
		h.Set("Accept-Encoding", "identity")
	case !advertiseBody(h, method, mediaType):
		h.Set("Accept", mediaType)
	}
}

// advertiseBody adds what the method of a path takes, if there is a header for it.
func advertiseBody(h http.Header, method, mediaType string) bool {
	switch {
	case mediaType == "":
	case method == http.MethodPost:
		h.Set("Accept-Post", mediaType)
		return true
	case method == http.MethodPatch && mediaType == jsonType:
		h.Set("Accept-Patch", mergePatchType+", "+jsonType)
		return true
	}
	return false
}
