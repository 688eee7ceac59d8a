// Package safedial calls addresses that others have chosen: the endpoints of webhooks and
// of push subscriptions. Without it such an address could lead into the network of the
// service itself, to a database, a metadata server or an internal API (server-side request
// forgery).
//
// [Policy.Check] refuses what is wrong with a URL when it is stored. That is not enough,
// because a name may resolve to another address later (DNS rebinding): the [Policy.Client]
// checks each address at the moment of the connection, after the name was resolved. It
// follows no redirects and uses no proxy.
package safedial

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Policy is what may be called. The zero Policy permits HTTPS to public addresses.
type Policy struct {
	// HTTP permits http:// besides https://.
	HTTP bool
	// Networks may be called although their addresses are not public.
	Networks []netip.Prefix
}

// MaxURL is the length of the longest URL that Check accepts, in bytes.
const MaxURL = 2000

// ErrNotPublic is the error of a connection to an address that is not permitted.
var ErrNotPublic = errors.New("the address is not public")

// Check returns the parsed URL, or an error whose sentence states what is wrong with it.
func (p Policy) Check(raw string) (*url.URL, error) {
	if len(raw) > MaxURL {
		return nil, fmt.Errorf("it must have at most %d bytes", MaxURL)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("it must be an absolute URL, such as https://shop.example/hook")
	case u.Scheme != "https" && (u.Scheme != "http" || !p.HTTP):
		return nil, errors.New("it must begin with https://")
	case u.User != nil:
		return nil, errors.New("it must not contain a user name or a password")
	case strings.Contains(raw, "#"):
		return nil, errors.New("it must not contain a fragment (#)")
	case !isPort(u.Port()):
		return nil, errors.New("its port must be a number from 1 to 65535")
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil && !p.Permits(address) {
		return nil, errors.New("it must not lead into a private network")
	}
	return u, nil
}

func isPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// Permits reports whether a connection to the address is permitted.
func (p Policy) Permits(a netip.Addr) bool {
	a = a.Unmap()
	if slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(a.WithZone("")) }) {
		return true
	}
	return isPublic(a)
}

// Client returns a client for such URLs. timeout limits the whole exchange, including the
// body of the response. A redirect is returned as the response.
func (p Policy) Client(timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: min(timeout, 5*time.Second), Control: p.control}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    min(timeout, 5*time.Second),
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 32 << 10,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    2,
			MaxIdleConns:           64,
			IdleConnTimeout:        30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// control refuses a connection before it is made. The dialer has resolved the name.
func (p Policy) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !p.Permits(to.Addr()) {
		return ErrNotPublic
	}
	return nil
}
