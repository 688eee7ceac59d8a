package safedial_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/safedial"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func TestOnlyPublicAddressesArePermitted(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"8.8.8.8", "100.63.255.255", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"} {
		require.True(t, safedial.Policy{}.Permits(netip.MustParseAddr(public)), public)
	}
	for _, private := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.8", "192.168.1.1", "198.18.0.1", "198.19.255.255", "203.0.113.5", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
	} {
		require.False(t, safedial.Policy{}.Permits(netip.MustParseAddr(private)), private)
	}
	require.False(t, safedial.Policy{}.Permits(netip.Addr{}))
}

func TestAPermittedNetworkIsNotARiskToOthers(t *testing.T) {
	t.Parallel()
	p := safedial.Policy{Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	require.True(t, p.Permits(netip.MustParseAddr("10.1.2.3")))
	require.True(t, p.Permits(netip.MustParseAddr("::ffff:10.1.2.3")))
	require.False(t, p.Permits(netip.MustParseAddr("10.2.0.1")))
}

func TestAURLIsCheckedBeforeItIsStored(t *testing.T) {
	t.Parallel()
	for url, problem := range map[string]string{
		"https://shop.example/hook":            "",
		"https://shop.example:8443/hook?a=b":   "",
		"https://[2606:4700::1111]/":           "",
		"http://shop.example/hook":             "must begin with https://",
		"ftp://shop.example/hook":              "must begin with https://",
		"file:///etc/passwd":                   "absolute URL",
		"gopher://shop.example/":               "must begin with https://",
		"shop.example/hook":                    "absolute URL",
		"https:shop.example":                   "absolute URL",
		"https://":                             "absolute URL",
		"https://user:secret@shop.example/":    "user name",
		"https://shop.example/#a":              "fragment",
		"https://shop.example:0/":              "port",
		"https://shop.example:65536/":          "port",
		"https://127.0.0.1/":                   "private network",
		"https://169.254.169.254/latest":       "private network",
		"https://[::1]/":                       "private network",
		"https://[::ffff:10.0.0.1]/":           "private network",
		"https://shop.example/\x00":            "absolute URL",
		"https://a.example/" + longText(2_000): "at most 2000 bytes",
	} {
		_, err := safedial.Policy{}.Check(url)
		if problem == "" {
			require.NoError(t, err, url)
			continue
		}
		require.ErrorContains(t, err, problem, url)
	}
	_, err := safedial.Policy{HTTP: true, Networks: loopback}.Check("http://127.0.0.1:8080/hook")
	require.NoError(t, err)
}

func longText(n int) string { return strings.Repeat("a", n) }

// A name that is public when the URL is stored may resolve to a private address later.
func TestANameThatResolvesToAPrivateAddressIsNotCalled(t *testing.T) {
	t.Parallel()
	called := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called <- struct{}{} }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{"localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"} {
		_, err = safedial.Policy{HTTP: true}.Client(5 * time.Second).Get("http://" + net.JoinHostPort(strings.Trim(host, "[]"), port))
		require.Error(t, err, host)
	}
	_, err = safedial.Policy{HTTP: true}.Client(5 * time.Second).Get("http://localhost:" + port)
	require.ErrorIs(t, err, safedial.ErrNotPublic)
	require.Empty(t, called, "a connection was made")

	res, err := safedial.Policy{HTTP: true, Networks: loopback}.Client(5 * time.Second).Get("http://localhost:" + port)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Len(t, called, 1)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/meta-data", http.StatusFound))
	t.Cleanup(server.Close)
	res, err := safedial.Policy{HTTP: true, Networks: loopback}.Client(5 * time.Second).Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusFound, res.StatusCode)
}

func TestAServerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	_, err := safedial.Policy{HTTP: true, Networks: loopback}.Client(20 * time.Millisecond).Get(server.URL)
	require.Error(t, err)
}
