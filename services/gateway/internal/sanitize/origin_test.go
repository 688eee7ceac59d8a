package sanitize_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/sanitize"
)

func trusting(d sanitize.Dialect, prefixes ...string) sanitize.Trust {
	trust := sanitize.Trust{Dialect: d}
	for _, p := range prefixes {
		trust.Proxies = append(trust.Proxies, netip.MustParsePrefix(p))
	}
	return trust
}

func TestOriginWithoutAPort(t *testing.T) {
	t.Parallel()
	o := sanitize.OriginOf(&http.Request{RemoteAddr: "@", Host: "shop"}, trusting("", "0.0.0.0/0"))
	require.Equal(t, sanitize.Origin{Client: "@", Proto: "http", Host: "shop", Port: "80"}, o)
	h := http.Header{}
	o.Set(h)
	require.Equal(t, `for=unknown;host="shop";proto=http`, h.Get("Forwarded"))
}

func TestIPv4InIPv6IsIPv4(t *testing.T) {
	t.Parallel()
	r := &http.Request{RemoteAddr: "[::ffff:10.0.0.1]:80", Host: "shop", Header: http.Header{"X-Forwarded-For": {"192.0.2.7"}}}
	require.Equal(t, "192.0.2.7", sanitize.OriginOf(r, trusting("", "10.0.0.0/8")).Client)
	require.Equal(t, "10.0.0.1", sanitize.OriginOf(r, trusting("")).Client)
}

// headers returns headers from "Name: value" lines.
func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

// The peer is the trusted proxy 10.0.0.1, and shop:8000 is the host that it called.
func TestTheReportOfATrustedProxyCounts(t *testing.T) {
	t.Parallel()
	const x, f = sanitize.XForwarded, sanitize.Forwarded
	for _, c := range []struct {
		dialect sanitize.Dialect
		header  http.Header
		want    string // client, scheme, host, port
	}{
		{x, headers(), "10.0.0.1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4:5678"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: [2001:db8::1]:443"), "2001:db8::1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: [2001:db8::1]"), "2001:db8::1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 2001:db8::1"), "2001:db8::1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: fe80::1%eth0"), "fe80::1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: ::ffff:1.2.3.4"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 6.6.6.6, 1.2.3.4:99, 10.9.9.9:77"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.2.3.4"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: nonsense", "X-Forwarded-Proto: https"), "10.0.0.1 https shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4, 10.9.9.9, nonsense"), "10.0.0.1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4, nonsense, 10.9.9.9"), "10.9.9.9 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: [2001:db8::1"), "10.0.0.1 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: HTTPS", "X-Forwarded-Host: shop.example"), "1.2.3.4 https shop.example 443"},
		{x, headers("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Port: 8443"), "1.2.3.4 https shop:8000 8443"},
		{x, headers("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: 99999"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: 0"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: a b"), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4", `X-Forwarded-Host: a";for=6.6.6.6`), "1.2.3.4 http shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4, 10.9.9.9", "X-Forwarded-Proto: https, http"), "1.2.3.4 https shop:8000 8000"},
		{x, headers("X-Forwarded-For: 1.2.3.4, 10.9.9.9", "X-Forwarded-Proto: https"), "1.2.3.4 https shop:8000 8000"},
		{x, headers("X-Forwarded-Proto: https"), "10.0.0.1 https shop:8000 8000"},
		{x, headers("Forwarded: for=6.6.6.6"), "10.0.0.1 http shop:8000 8000"},

		{f, headers("Forwarded: for=1.2.3.4"), "1.2.3.4 http shop:8000 8000"},
		{f, headers(`Forwarded: For="[2001:db8::1]:4711";Proto=https;Host=shop.example;by=10.0.0.1`), "2001:db8::1 https shop.example 443"},
		{f, headers(`Forwarded: for="1.2.3.4:5678" ; host="shop.example:8443"`), "1.2.3.4 http shop.example:8443 8443"},
		{f, headers("Forwarded: for=6.6.6.6", "Forwarded: for=1.2.3.4, for=10.9.9.9"), "1.2.3.4 http shop:8000 8000"},
		{f, headers(`Forwarded: for="1.2.3.4, for=6.6.6.6"`), "10.0.0.1 http shop:8000 8000"},
		{f, headers(`Forwarded: for=6.6.6.6, for="\1.2.3.4"`), "1.2.3.4 http shop:8000 8000"},
		{f, headers("Forwarded: for=_hidden;proto=https"), "10.0.0.1 https shop:8000 8000"},
		{f, headers("Forwarded: for=unknown"), "10.0.0.1 http shop:8000 8000"},
		{f, headers("Forwarded: for=6.6.6.6, nonsense"), "10.0.0.1 http shop:8000 8000"},
		{f, headers(`Forwarded: for=6.6.6.6, for="`), "10.0.0.1 http shop:8000 8000"},
		{f, headers("X-Forwarded-For: 6.6.6.6"), "10.0.0.1 http shop:8000 8000"},
	} {
		r := &http.Request{RemoteAddr: "10.0.0.1:4000", Host: "shop:8000", Header: c.header}
		o := sanitize.OriginOf(r, trusting(c.dialect, "10.0.0.0/8"))
		require.Equal(t, c.want, strings.Join([]string{o.Client, o.Proto, o.Host, o.Port}, " "), "%v", c.header)

		r.RemoteAddr = "192.0.2.9:4000"
		require.Equal(t, "192.0.2.9", sanitize.OriginOf(r, trusting(c.dialect, "10.0.0.0/8")).Client, "not trusted: %v", c.header)
	}
}

func TestServicesReceiveTheOriginInBothDialects(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	sanitize.Origin{Client: "2001:db8::1", Proto: "https", Host: "shop.example:8443", Port: "8443"}.Set(h)
	require.Equal(t, headers(
		"X-Forwarded-For: 2001:db8::1", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example:8443", "X-Forwarded-Port: 8443",
		`Forwarded: for="[2001:db8::1]";host="shop.example:8443";proto=https`,
	), h)
	for _, d := range []sanitize.Dialect{sanitize.XForwarded, sanitize.Forwarded} {
		again := sanitize.OriginOf(&http.Request{RemoteAddr: "10.0.0.1:1", Host: "inside", Header: h}, trusting(d, "10.0.0.0/8"))
		require.Equal(t, sanitize.Origin{Client: "2001:db8::1", Proto: "https", Host: "shop.example:8443", Port: "8443"}, again, "another gateway reads it")
	}
}

// Of the addresses that anybody sends, only those that a trusted proxy wrote count.
func FuzzNoClientChoosesItsAddress(f *testing.F) {
	for _, seed := range []string{"6.6.6.6", "6.6.6.6:1, [::1]:2", `for=6.6.6.6;host="a,b"`, `for="x`, `"`, `\`, ",,;;=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		// A proxy that appends to the header, as proxies do, has the last word.
		x := headers("X-Forwarded-For: "+sent, "X-Forwarded-For: 192.0.2.1:5678")
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Host: "shop", Header: x}
		require.Equal(t, "192.0.2.1", sanitize.OriginOf(r, trusting("", "10.0.0.0/8")).Client)
		if strings.Count(sent, `"`)%2 == 0 && !strings.Contains(sent, `\`) { // otherwise the proxy should have replaced it
			r.Header = headers("Forwarded: "+sent, "Forwarded: for=192.0.2.1")
			require.Equal(t, "192.0.2.1", sanitize.OriginOf(r, trusting(sanitize.Forwarded, "10.0.0.0/8")).Client)
		}
	})
}
