package push

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"troupe/platform/ascii"
	"troupe/platform/safedial"
)

// DefaultServices are the push services of the browsers.
const DefaultServices = "fcm.googleapis.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com"

// Services are the push services to which messages are sent. Each entry is a host, a host
// with a port, or *.domain for the hosts below a domain.
type Services struct {
	entries []string
	policy  safedial.Policy
}

// NewServices returns the push services of a list. networks are those of them that are
// not on the public internet.
func NewServices(list []string, networks []netip.Prefix) (Services, error) {
	s := Services{policy: safedial.Policy{Networks: networks}}
	for _, entry := range list {
		entry = ascii.Lower(strings.TrimSpace(entry))
		u, err := url.Parse("https://" + strings.TrimPrefix(entry, "*."))
		if err != nil || u.Host == "" || strings.TrimPrefix(entry, "*.") != u.Host || strings.Contains(u.Host, "*") {
			return Services{}, fmt.Errorf("%q is not a host such as push.example or *.push.example", entry)
		}
		s.entries = append(s.entries, entry)
	}
	if len(s.entries) == 0 {
		return Services{}, errors.New("it names no push service")
	}
	return s, nil
}

// Check returns the parsed endpoint, or an error whose sentence states what is wrong with
// it: it must be an https URL at one of the push services.
func (s Services) Check(endpoint string) (*url.URL, error) {
	u, err := s.policy.Check(endpoint)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.entries, func(entry string) bool { return matches(entry, u) }) {
		return nil, errors.New("it must be at a push service that the shop knows")
	}
	return u, nil
}

// matches reports whether a URL is at the push service of an entry. Without a port the
// entry means port 443 alone.
func matches(entry string, u *url.URL) bool {
	host := ascii.Lower(u.Host)
	if u.Port() == "443" {
		host = strings.TrimSuffix(host, ":443")
	}
	if domain, ok := strings.CutPrefix(entry, "*"); ok {
		return strings.HasSuffix(host, domain) && len(host) > len(domain)
	}
	return host == entry
}
