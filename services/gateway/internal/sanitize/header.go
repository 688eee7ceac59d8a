package sanitize

import (
	"iter"
	"net/http"
	"slices"
	"strings"

	"troupe/platform/ascii"
)

// hopByHop lists the headers that concern one connection and not the message (RFC 9110,
// section 7.6.1).
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// StripHopByHop removes the hop-by-hop headers and those that Connection names. Call it
// before the gateway sets headers of its own: otherwise "Connection: X-Request-Id" would
// remove one of them.
func StripHopByHop(h http.Header) {
	for name := range connectionOptions(h) {
		h.Del(name)
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// IsWebSocket reports whether r is the handshake of a WebSocket (RFC 6455, section 4.1),
// as far as it concerns the connection. Ask before StripHopByHop.
func IsWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	if len(upgrade) != 1 || !ascii.EqualFold(upgrade[0], "websocket") || r.Method != http.MethodGet || r.ProtoMajor != 1 || r.ContentLength != 0 {
		return false
	}
	for name := range connectionOptions(r.Header) {
		if ascii.EqualFold(name, "upgrade") {
			return true
		}
	}
	return false
}

// connectionOptions returns the names of the headers that Connection lists.
func connectionOptions(h http.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range h["Connection"] {
			for name := range strings.SplitSeq(list, ",") {
				if name = strings.TrimSpace(name); name != "" && !yield(name) {
					return
				}
			}
		}
	}
}

// endToEnd lists the headers that determine what a request means and who sends it.
var endToEnd = []string{"Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Idempotency-Key"}

// namesEndToEnd reports whether Connection names an end-to-end header. Removing that
// header, as the protocol requires, would change the request: the client's token or
// idempotency key would disappear.
func namesEndToEnd(h http.Header) bool {
	for name := range connectionOptions(h) {
		if slices.Contains(endToEnd, http.CanonicalHeaderKey(name)) {
			return true
		}
	}
	return false
}

// StripForged removes the headers that only the gateway may set, and those that could be
// mistaken for them: some servers read X_User_Id as X-User-Id.
func StripForged(h http.Header) {
	for name := range h {
		if isForged(name) {
			delete(h, name)
		}
	}
}

func isForged(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		return true
	}
	switch name {
	case "Forwarded", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Request-Timeout-Ms",
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-User-") || strings.HasPrefix(name, "X-Auth-")
}
