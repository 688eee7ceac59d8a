package sanitize

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"troupe/platform/ascii"
)

// Origin is the trusted information about who sent a request.
type Origin struct {
	Client string // the client's address
	Proto  string // "http" or "https"
	Host   string // as the client wrote it, with its port if it wrote one
	Port   string // the port that the client called
}

// Dialect names the headers in which a trusted proxy reports the client.
type Dialect string

// The dialects. A proxy writes one of them and passes on what the client wrote in the
// other, so the other must not count.
const (
	XForwarded Dialect = "x-forwarded" // X-Forwarded-For, -Proto, -Host and -Port
	Forwarded  Dialect = "forwarded"   // Forwarded (RFC 7239)
)

// Trust is whose reports about clients are trusted, and how they are written.
type Trust struct {
	Proxies []netip.Prefix
	Dialect Dialect // XForwarded if empty
}

// Set writes the origin to the X-Forwarded headers and to Forwarded (RFC 7239).
func (o Origin) Set(h http.Header) {
	values := [...]string{o.Client, o.Proto, o.Host, o.Port, o.forwarded()} // one allocation for all
	h["X-Forwarded-For"] = values[0:1:1]
	h["X-Forwarded-Proto"] = values[1:2:2]
	h["X-Forwarded-Host"] = values[2:3:3]
	h["X-Forwarded-Port"] = values[3:4:4]
	h["Forwarded"] = values[4:5:5]
}

// SetClient writes only the client, for a request that is not passed on.
func (o Origin) SetClient(h http.Header) { h["X-Forwarded-For"] = []string{o.Client} }

// forwarded returns the origin as an element of Forwarded. Addresses of IPv6 and hosts
// with a port must be quoted.
func (o Origin) forwarded() string {
	client := o.Client
	switch address, err := netip.ParseAddr(client); {
	case err != nil:
		client = "unknown"
	case address.Is6():
		client = `"[` + client + `]"`
	}
	return "for=" + client + `;host="` + o.Host + `";proto=` + o.Proto
}

// OriginOf returns the origin of r, from its connection. If the peer is a trusted proxy,
// the address that it reports counts, and so on along the chain of trusted proxies. Other
// reports are ignored, because any client can send them.
func OriginOf(r *http.Request, trust Trust) Origin {
	o := Origin{Client: r.RemoteAddr, Proto: "http", Host: r.Host}
	if r.TLS != nil {
		o.Proto = "https"
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err == nil {
		client := peer.Addr().Unmap()
		o.Client = client.String()
		if contains(trust.Proxies, client) {
			o.follow(reports(r.Header, trust.Dialect), client, trust.Proxies)
		}
	}
	if o.Port == "" {
		o.Port = portOf(o.Host, o.Proto)
	}
	return o
}

// Overlooked returns a sentence for the operator if a request names its client in a way
// that does not count, "" otherwise. Then many clients may share one address, that of
// their proxy.
func (t Trust) Overlooked(r *http.Request) string {
	used, other := "X-Forwarded-For", "Forwarded"
	if t.Dialect == Forwarded {
		used, other = other, used
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	switch trusted := err == nil && contains(t.Proxies, peer.Addr().Unmap()); {
	case !trusted && len(r.Header[used])+len(r.Header[other]) > 0:
		return "a peer that is not trusted names a client, which is ignored; if it is your proxy, add its address to GATEWAY_TRUSTED_PROXIES"
	case trusted && len(r.Header[used]) == 0 && len(r.Header[other]) > 0:
		return "a trusted proxy names its client in " + other + ", which is ignored; if it writes no " + used + ", change GATEWAY_PROXY_HEADERS"
	}
	return ""
}

// follow goes back along the chain of proxies, from its end, which the nearest proxy
// wrote, to the first address that is not trusted.
func (o *Origin) follow(chain []report, nearest netip.Addr, trusted []netip.Prefix) {
	for _, hop := range slices.Backward(chain) {
		o.apply(hop)
		address, ok := addressOf(hop.client)
		if !ok {
			break
		}
		nearest = address
		if !contains(trusted, nearest) {
			break
		}
	}
	o.Client = nearest.String()
}

// apply takes over what a trusted proxy reports about the request that it received.
func (o *Origin) apply(p report) {
	if proto := ascii.Lower(p.proto); proto == "http" || proto == "https" {
		o.Proto = proto
	}
	if p.host != "" && isHost(p.host) {
		o.Host = p.host
	}
	if port, err := strconv.ParseUint(p.port, 10, 16); err == nil && port > 0 {
		o.Port = p.port
	}
}

// addressOf parses an address with or without a port: 192.0.2.7, 192.0.2.7:5678,
// 2001:db8::1, [2001:db8::1] or [2001:db8::1]:443.
func addressOf(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	address, err := netip.ParseAddr(s)
	return address.Unmap().WithZone(""), err == nil
}

// portOf returns the port that a client calls when it writes this host.
func portOf(host, proto string) string {
	if strings.IndexByte(host, ':') >= 0 {
		if _, port, err := net.SplitHostPort(host); err == nil && port != "" {
			return port
		}
	}
	if proto == "https" {
		return "443"
	}
	return "80"
}

// isHost reports whether s can be the host of a URL, so that it can be written into
// headers and links as it is.
func isHost(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alphabetic := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !alphabetic && (c < '0' || c > '9') && strings.IndexByte("-._~:[]%!$&'()*+,;=", c) < 0 {
			return false
		}
	}
	return true
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
