package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/fault"
)

// ETag is a strong entity tag, which identifies one state of a resource (RFC 9110, section
// 8.8.3). Operations return it in a header field ETag of their output.
type ETag string

// NewETag returns the tag of a resource. state is the version of what requests can change.
// live is what its representation shows besides and changes by itself, such as the stock
// of a product: If-Match does not look at it, because no request overwrites it.
func NewETag(state string, live ...string) ETag {
	return ETag(`"` + strings.Join(append([]string{state}, live...), ".") + `"`)
}

// ETagOf returns the tag of a resource without a version: it follows from what requests can
// change, and from what its representation shows besides.
func ETagOf(state any, live ...any) ETag {
	var digests []string
	for _, part := range live {
		digests = append(digests, digestOf(part))
	}
	return NewETag(digestOf(state), digests...)
}

func digestOf(part any) string {
	text, _ := json.Marshal(part) // what cannot be encoded cannot be sent either
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// state returns the tag without what changes by itself.
func (t ETag) state() ETag {
	state, _, _ := strings.Cut(strings.Trim(string(t), `"`), ".")
	return NewETag(state)
}

// Conditional is embedded in the input of an operation that changes a resource which has an
// ETag. The operation calls Check in the transaction that makes the change.
type Conditional struct {
	IfMatch     string `header:"If-Match" maxLength:"1000" doc:"The ETag of the response that the change is based on. If the resource has changed since, the request is refused with 412 and changes nothing. * stands for any ETag"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"1000" doc:"* refuses the request with 412 if the resource exists"`
}

// ConditionalGet is embedded in the input of a GET whose output has an ETag.
type ConditionalGet struct {
	IfNoneMatch string `header:"If-None-Match" doc:"An ETag of an earlier response: if it is still that of the resource, the response is 304 without a body"`
}

// conditions is implemented by inputs that embed Conditional or ConditionalGet.
type conditions interface{ conditional() }

func (Conditional) conditional()    {}
func (ConditionalGet) conditional() {}

// Resolve implements huma.Resolver: it joins the lines of headers that are sent in several.
func (c *Conditional) Resolve(ctx huma.Context) []error {
	c.IfMatch, c.IfNoneMatch = "", ""
	ctx.EachHeader(func(name, value string) {
		switch name {
		case "If-Match":
			c.IfMatch = joinTags(c.IfMatch, value)
		case "If-None-Match":
			c.IfNoneMatch = joinTags(c.IfNoneMatch, value)
		}
	})
	return nil
}

func joinTags(list, more string) string {
	if list == "" {
		return more
	}
	return list + ", " + more
}

var (
	errChangedSince = fault.New(fault.PreconditionFailed, "precondition_failed",
		"it has been changed since the response whose ETag is in If-Match, and nothing was done; read it again, and send your change with the new ETag")
	errGone = fault.New(fault.PreconditionFailed, "precondition_failed",
		"it does not exist, so no ETag in If-Match is its own, and nothing was done; leave If-Match out to create it")
	errExists = fault.New(fault.PreconditionFailed, "precondition_failed",
		"it exists already, which If-None-Match excludes, and nothing was done; read it, and send your change with its ETag in If-Match")
	errUnquotedTag = fault.New(fault.Malformed, "if_match_malformed",
		`If-Match must be * or ETags as they were sent, each in double quotes, such as "4"`)
)

// Check returns an error if the conditions of the request do not hold for a resource with
// this tag, "" if it does not exist.
func (c Conditional) Check(current ETag) error {
	if c.IfMatch != "" {
		tags, ok := tagsOf(c.IfMatch)
		switch {
		case !ok:
			return errUnquotedTag
		case current == "":
			return errGone
		case !matches(tags, current, false):
			return errChangedSince
		}
	}
	if tags, _ := tagsOf(c.IfNoneMatch); current != "" && matches(tags, current, true) {
		return errExists
	}
	return nil
}

// Names reports whether If-Match names exactly this tag: the client has seen the
// representation that it stands for.
func (c Conditional) Names(t ETag) bool {
	tags, _ := tagsOf(c.IfMatch)
	return slices.Contains(tags, tag{text: string(t)})
}

// Overtaken returns the error for a request whose conditions held, but whose change was
// overtaken by another one before it was stored: without If-Match it is the given one.
func (c Conditional) Overtaken(otherwise error) error {
	if c.IfMatch == "" {
		return otherwise
	}
	return errChangedSince.WithCause(otherwise)
}

// tag is a tag of a request.
type tag struct {
	weak bool
	text string // in its quotes, or *
}

// tagsOf returns the tags in the value of a header, and false if it cannot be read.
func tagsOf(list string) (tags []tag, ok bool) {
	for list = strings.Trim(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
		if list == "*" {
			return append(tags, tag{text: "*"}), len(tags) == 0
		}
		strong, weak := strings.CutPrefix(list, "W/")
		if !strings.HasPrefix(strong, `"`) {
			return tags, false
		}
		end := strings.IndexByte(strong[1:], '"')
		if end < 0 {
			return tags, false
		}
		tags = append(tags, tag{weak, strong[:end+2]})
		list = strong[end+2:]
	}
	return tags, len(tags) > 0
}

// matches reports whether one of the tags stands for the current state. In If-Match a weak
// one never does (RFC 9110, section 13.1.1).
func matches(tags []tag, current ETag, weakToo bool) bool {
	for _, t := range tags {
		if t.text == "*" || (weakToo || !t.weak) && ETag(t.text).state() == current.state() {
			return true
		}
	}
	return false
}

// notModified wraps the writer of a GET with If-None-Match: a response whose ETag is one of
// them becomes a 304 (RFC 9110, section 15.4.5).
type notModified struct {
	http.ResponseWriter
	tags []tag
	same bool // it has become a 304
}

// answerNotModified returns the writer for the response to r.
func answerNotModified(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	values := r.Header["If-None-Match"]
	if len(values) == 0 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return w
	}
	tags, _ := tagsOf(strings.Join(values, ", "))
	return &notModified{ResponseWriter: w, tags: tags}
}

// Unwrap lets http.ResponseController and the access log find the writer below.
func (w *notModified) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *notModified) WriteHeader(status int) {
	if h := w.Header(); status == http.StatusOK && w.isKnown(h.Get("ETag")) {
		w.same, status = true, http.StatusNotModified
		h.Del("Content-Type")
		h.Del("Content-Length")
	}
	w.ResponseWriter.WriteHeader(status)
}

// isKnown reports whether the client has the representation with this tag.
func (w *notModified) isKnown(current string) bool {
	for _, t := range w.tags {
		if current != "" && (t.text == "*" || t.text == current) {
			return true
		}
	}
	return false
}

func (w *notModified) Write(p []byte) (int, error) {
	if w.same {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
