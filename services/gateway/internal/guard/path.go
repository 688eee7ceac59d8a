// Package guard decides what is let into the system at all, before anything is
// routed. Two servers that read one path or header differently are a way around
// every check of the first, so whatever could be read in two ways is refused or
// dropped here.
package guard

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"troupe/platform/fault"
)

func refuse(code, sentence string) *fault.Error {
	return fault.New(fault.Malformed, code, "%s", sentence)
}

var (
	errMethod   = refuse("method_refused", "CONNECT is not for this server")
	errPath     = refuse("path_refused", "the path must not hold empty or dot segments, backslashes, control characters, or any of these percent-encoded")
	errQuery    = refuse("query_refused", "the query must be percent-encoded UTF-8 with its parameters separated by &")
	errRepeated = refuse("header_repeated", "send each of the headers Authorization, Content-Type and Idempotency-Key at most once")
	errCut      = refuse("connection_refused", "the header Connection must not name headers that are meant for the service, such as Authorization; leave them out of it")
)

// Check refuses a request whose method, path, query or headers are not plain.
func Check(r *http.Request) *fault.Error {
	h := r.Header
	switch {
	case r.Method == http.MethodConnect:
		return errMethod
	case strings.Contains(r.RequestURI, "#"), !cleanPath(r.URL):
		return errPath
	case !cleanQuery(r.URL.RawQuery):
		return errQuery
	case len(h["Authorization"]) > 1, len(h["Content-Type"]) > 1, len(h["Idempotency-Key"]) > 1:
		return errRepeated
	case cutsOff(h):
		return errCut
	}
	return nil
}

func cleanPath(u *url.URL) bool {
	raw, path := u.EscapedPath(), u.Path
	if path == "" || path[0] != '/' || strings.Contains(raw, "//") {
		return false
	}
	if strings.IndexByte(raw, '%') >= 0 && !cleanEscapes(raw, path) {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c < ' ' || c == 0x7f || c == '\\':
			return false
		case c == '/' && dotSegment(path[i+1:]):
			return false
		}
	}
	return true
}

// cleanEscapes refuses escapes that hide what is refused in the open. An escaped
// percent sign is one: it shows its true face to whoever decodes twice.
func cleanEscapes(raw, path string) bool {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] != '%' {
			continue
		}
		switch strings.ToLower(raw[i+1 : i+3]) {
		case "2f", "5c", "25":
			return false
		}
	}
	return utf8.ValidString(path)
}

// dotSegment says whether a path's rest starts with the segment "." or "..".
func dotSegment(rest string) bool {
	segment, _, _ := strings.Cut(rest, "/")
	return segment == "." || segment == ".."
}

// cleanQuery refuses ";", which some take for a separator and Go drops silently
// together with what it stands in.
func cleanQuery(query string) bool {
	if strings.IndexByte(query, ';') >= 0 {
		return false
	}
	if strings.IndexByte(query, '%') < 0 {
		return utf8.ValidString(query)
	}
	decoded, err := url.QueryUnescape(query)
	return err == nil && utf8.ValidString(decoded) && strings.IndexByte(decoded, 0) < 0
}
