// Package clientaddr reads the network addresses of clients, by which requests are
// logged, counted and limited.
package clientaddr

import (
	"net/http"
	"net/netip"
	"strings"
)

// LastForwarded returns the last address in X-Forwarded-For, which the nearest proxy has
// added: a client may have forged those before it. It returns the zero Addr if there is
// none.
func LastForwarded(h http.Header) netip.Addr {
	values := h["X-Forwarded-For"]
	if len(values) == 0 {
		return netip.Addr{}
	}
	last := values[len(values)-1]
	address, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]))
	if err != nil {
		return netip.Addr{}
	}
	return address
}

// Parse returns the address in s without a zone, an IPv4 address as such also if it is
// written as one of IPv6, and the zero Addr if s is no address.
func Parse(s string) netip.Addr {
	address, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

// Network returns what counts as one address: an IPv4 address, or the network of 64 bits
// of an IPv6 address, because one customer has all of it (RFC 6177).
func Network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().Addr()
}
