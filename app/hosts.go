package app

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"troupe/platform/ascii"
	"troupe/platform/httpapi"
)

// hostList is the list of hosts that a server answers for. A web page can make its own
// name mean 127.0.0.1 (DNS rebinding), and would then read, as its own, what a server on
// the loopback interface serves to this machine. The browser sends the page's name as
// the host, so the server refuses names that are not its own. Addresses are accepted,
// because no name was rebound.
type hostList struct {
	setting string   // the name of the setting that adds hosts
	names   []string // in lower case; "*.shop.example" stands for every name below
}

// newHostList returns the hosts of a service that listens on address. It returns nil if
// every host is accepted: if the interface is not the loopback and no hosts are set.
func newHostList(s Service, environ map[string]string, common []string, address net.Addr) (*hostList, error) {
	l := &hostList{setting: ascii.Upper(s.Name) + "_HOSTS"}
	configured := slices.Concat(common, strings.Split(environ[l.setting], ","))
	for _, name := range configured {
		name = ascii.Lower(strings.TrimSpace(name))
		if name == "" {
			continue
		}
		if !isHostPattern(name) {
			return nil, fmt.Errorf("%s or TROUPE_HOSTS contains %q: list names without scheme, port and path, for example shop.example or *.shop.example", l.setting, name)
		}
		l.names = append(l.names, name)
	}
	if len(l.names) == 0 && !isLoopback(address) {
		return nil, nil //nolint:nilnil // no list means that every host is accepted
	}
	// RFC 6761: localhost never leaves the machine. A name without a dot, as other services
	// use it in a network of containers, cannot be that of a page.
	l.names = append(l.names, "localhost", "*.localhost", ascii.Lower(s.Name))
	if u, err := url.Parse(s.URL(environ)); err == nil {
		l.names = append(l.names, ascii.Lower(u.Hostname())) // other services call it so
	}
	return l, nil
}

func isHostPattern(name string) bool {
	name = strings.TrimPrefix(name, "*.")
	return name != "" && !strings.ContainsAny(name, "*:/@?#[] ")
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// accepts reports whether the server answers for the host of a request. HTTP/1.0 allows
// a request without one; browsers always send it.
func (l *hostList) accepts(host string) bool {
	if strings.IndexByte(host, ':') >= 0 {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
	}
	host = ascii.Lower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "" {
		return true
	}
	return slices.ContainsFunc(l.names, func(name string) bool {
		below, wild := strings.CutPrefix(name, "*")
		return name == host || wild && len(host) > len(below) && strings.HasSuffix(host, below)
	})
}

// guard returns the middleware that refuses requests for other hosts.
func (l *hostList) guard(next http.Handler) http.Handler {
	if l == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.accepts(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		httpapi.WriteStatus(w, r, http.StatusMisdirectedRequest, "host_unknown",
			"this server does not answer for this host; if it should, its operator adds the name to "+l.setting, 0)
	})
}
