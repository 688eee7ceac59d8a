package sanitize

import (
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
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
	case "Forwarded", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url",
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-User-") || strings.HasPrefix(name, "X-Auth-")
}

// Origin is the trusted information about who sent a request.
type Origin struct {
	Client string // the client's address
	Proto  string // "http" or "https"
	Host   string
}

// Set writes the origin to the X-Forwarded headers of h.
func (o Origin) Set(h http.Header) {
	values := [...]string{o.Client, o.Proto, o.Host} // one allocation for all three
	h["X-Forwarded-For"] = values[0:1:1]
	h["X-Forwarded-Proto"] = values[1:2:2]
	h["X-Forwarded-Host"] = values[2:3:3]
}

// OriginOf returns the origin of r, from its connection. If the peer is a trusted proxy,
// the address that it reports in X-Forwarded-For counts, and so on along the chain of
// trusted proxies. Other values of the header are ignored, because any client can send
// them.
func OriginOf(r *http.Request, trusted []netip.Prefix) Origin {
	o := Origin{Client: r.RemoteAddr, Proto: "http", Host: r.Host}
	if r.TLS != nil {
		o.Proto = "https"
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return o
	}
	client := peer.Addr().Unmap()
	if contains(trusted, client) {
		client = lastUntrusted(r.Header["X-Forwarded-For"], client, trusted)
		if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
			o.Proto = proto
		}
	}
	o.Client = client.String()
	return o
}

// lastUntrusted returns the first untrusted address of the chain, from its end, which
// the nearest proxy wrote.
func lastUntrusted(chain []string, nearest netip.Addr, trusted []netip.Prefix) netip.Addr {
	hops := strings.Split(strings.Join(chain, ","), ",")
	for _, hop := range slices.Backward(hops) {
		address, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return nearest
		}
		if nearest = address.Unmap(); !contains(trusted, nearest) {
			return nearest
		}
	}
	return nearest
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
