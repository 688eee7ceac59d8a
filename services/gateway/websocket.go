package gateway

import (
	"net/http"
	"net/url"
	"slices"

	"troupe/platform/fault"
)

var errOriginRefused = fault.New(fault.Forbidden, "origin_refused",
	"pages of this origin may not open a WebSocket here; its operator adds the origin to GATEWAY_CORS_ORIGINS")

// checkWebSocket refuses a WebSocket that a page of another origin opens. Browsers do not
// apply the rules of CORS to WebSockets, so the server must (RFC 6455, section 10.2).
func (f *forwarder) checkWebSocket(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || !f.rule.Stream || len(r.Header["Upgrade"]) == 0 || slices.Contains(f.CORSOrigins, origin) {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && u.Host == r.Header.Get("X-Forwarded-Host") {
		return nil // a page of this server
	}
	return errOriginRefused
}
