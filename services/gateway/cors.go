package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"troupe/platform/ascii"
)

// checkOrigins returns an error for an origin that no browser sends, because it could
// never match.
func checkOrigins(origins []string) error {
	for _, origin := range origins {
		u, err := url.Parse(origin)
		switch {
		case origin == "*":
			return fmt.Errorf("GATEWAY_CORS_ORIGINS contains \"*\": list each origin, for example https://shop.example")
		case err != nil, strings.Contains(origin, "*"), u.Scheme == "", u.Host == "", u.Scheme+"://"+u.Host != origin, origin != ascii.Lower(origin):
			return fmt.Errorf("GATEWAY_CORS_ORIGINS contains %q, which no browser sends as an origin: "+
				"write the scheme and the host in lower case, a port only if it is not the standard one, and nothing after it, for example https://shop.example", origin)
		case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
			return fmt.Errorf("GATEWAY_CORS_ORIGINS contains %q: leave out the standard port, as browsers do", origin)
		}
	}
	return nil
}

// cors allows the pages of GATEWAY_CORS_ORIGINS to call the API from a browser. Tokens
// are sent in a header, never in a cookie, so credentials are not allowed. It reports
// whether the request was a preflight, which it has answered.
func (g *gateway) cors(w http.ResponseWriter, r *http.Request) bool {
	if len(g.CORSOrigins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(g.CORSOrigins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Missing-Parts, X-Request-Id")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Traceparent, X-Request-Id")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
