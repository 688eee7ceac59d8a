package guard

import (
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// hopByHop headers are about one connection, not about the message (RFC 9110, 7.6.1).
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// StripHop removes the headers that end at this hop, and those that Connection
// names. It must run before any header of ours is set, else "Connection:
// X-Request-Id" would remove that.
func StripHop(h http.Header) {
	for name := range options(h) {
		h.Del(name)
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// options are the headers that Connection names.
func options(h http.Header) iter.Seq[string] {
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

// endToEnd headers say what the request means and who sends it. Without them it
// would be another request.
var endToEnd = []string{"Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Idempotency-Key"}

// cutsOff says whether Connection names a header that is not about one connection.
// To strip it as asked would change the request: a client, or what stands between
// it and us, would see its token or its key vanish.
func cutsOff(h http.Header) bool {
	for name := range options(h) {
		if slices.Contains(endToEnd, http.CanonicalHeaderKey(name)) {
			return true
		}
	}
	return false
}

// StripForged removes from a request what only we may say about it, and what
// could be taken for that: some servers read X_User_Id as X-User-Id.
func StripForged(h http.Header) {
	for name := range h {
		if forged(name) {
			delete(h, name)
		}
	}
}

func forged(name string) bool {
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

// Origin is who sent a request, as far as can be trusted.
type Origin struct {
	Client string // the client's address
	Proto  string // "http" or "https"
	Host   string
}

// Set tells the service.
func (o Origin) Set(h http.Header) {
	values := [...]string{o.Client, o.Proto, o.Host} // one allocation for the three
	h["X-Forwarded-For"] = values[0:1:1]
	h["X-Forwarded-Proto"] = values[1:2:2]
	h["X-Forwarded-Host"] = values[2:3:3]
}

// OriginOf reads it from the connection. If that comes from a trusted proxy, its
// word about the client counts, and so on along the chain; anybody else's does
// not, since everybody can write X-Forwarded-For.
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

// lastUntrusted walks the chain from its end, where the nearest proxy wrote.
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
