package clientaddr_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/clientaddr"
)

func TestTheNearestProxysAddressCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		chain []string
		want  string
	}{
		{nil, ""},
		{[]string{"203.0.113.7"}, "203.0.113.7"},
		{[]string{"6.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		{[]string{"6.6.6.6", " 2001:db8::1 "}, "2001:db8::1"},
		{[]string{"203.0.113.7, nonsense"}, ""},
	} {
		got := clientaddr.LastForwarded(http.Header{"X-Forwarded-For": c.chain})
		if c.want == "" {
			require.False(t, got.IsValid(), c.chain)
			continue
		}
		require.Equal(t, c.want, got.String(), c.chain)
	}
}

func TestANetworkOfIPv6CountsAsOneAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1": "2001:db8::", "2001:db8:0:0:ffff::2": "2001:db8::",
		"2001:db8:0:1::1": "2001:db8:0:1::", "fe80::1%eth0": "fe80::",
	} {
		require.Equal(t, want, clientaddr.Network(clientaddr.Parse(text)).String(), text)
	}
	require.Equal(t, netip.Addr{}, clientaddr.Network(clientaddr.Parse("nonsense")))
}
