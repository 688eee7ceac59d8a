// Package sanitize rejects ambiguous requests before they are routed. If two servers
// read a path or a header differently, the checks of the first can be bypassed. So
// anything that could be read in two ways is rejected, or removed, here.
package sanitize

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"troupe/platform/ascii"
	"troupe/platform/fault"
)

func malformed(code, sentence string) *fault.Error {
	return fault.New(fault.Malformed, code, "%s", sentence)
}

var (
	errMethod     = malformed("method_refused", "this server does not accept CONNECT")
	errPath       = malformed("path_refused", "the path must not contain empty or dot segments, backslashes, control characters, or any of these percent-encoded")
	errQuery      = malformed("query_refused", "the query must be percent-encoded UTF-8 with its parameters separated by &")
	errHost       = malformed("host_refused", "the host must be a name or an address, with a port if it is not the standard one, for example shop.example:8443")
	errRepeated   = malformed("header_repeated", "send each of the headers Authorization, Content-Type and Idempotency-Key at most once")
	errBody       = malformed("body_refused", "a GET or HEAD request must not have a body; put its content into the query, or use another method")
	errConnection = malformed("connection_refused", "the header Connection must not name headers that are meant for the service, such as Authorization; leave them out of it")
)

// Check returns an error for a request whose method, path, query or headers are
// ambiguous.
func Check(r *http.Request) *fault.Error {
	h := r.Header
	switch {
	case r.Method == http.MethodConnect:
		return errMethod
	case r.Host != "" && !isHost(r.Host):
		return errHost
	case strings.Contains(r.RequestURI, "#"), !cleanPath(r.URL):
		return errPath
	case !cleanQuery(r.URL.RawQuery):
		return errQuery
	case len(h["Authorization"]) > 1, len(h["Content-Type"]) > 1, len(h["Idempotency-Key"]) > 1:
		return errRepeated
	case r.ContentLength != 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return errBody
	case namesEndToEnd(h):
		return errConnection
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

// cleanEscapes reports whether the escapes of a path are unambiguous. An escaped slash,
// backslash or percent sign is not: a server that decodes twice reads another path.
func cleanEscapes(raw, path string) bool {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] != '%' {
			continue
		}
		switch ascii.Lower(raw[i+1 : i+3]) {
		case "2f", "5c", "25":
			return false
		}
	}
	return utf8.ValidString(path)
}

// dotSegment reports whether the rest of a path starts with the segment "." or "..".
func dotSegment(rest string) bool {
	segment, _, _ := strings.Cut(rest, "/")
	return segment == "." || segment == ".."
}

// cleanQuery reports whether a query is unambiguous. A ";" is not: some servers take it
// for a separator, and Go silently drops the parameter that contains it.
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
