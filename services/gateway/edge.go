package gateway

import (
	"crypto/rand"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/telemetry"
	"troupe/services/gateway/internal/openapi"
	"troupe/services/gateway/internal/sanitize"
	"troupe/services/gateway/internal/upstream"
)

type gateway struct {
	settings
	verifier  *auth.Verifier
	log       *slog.Logger
	upstreams map[string]*upstream.Upstream
	document  *openapi.Cache
	rejected  *prometheus.CounterVec
	api       http.Handler // routes the requests that were not rejected
}

// ServeHTTP rejects ambiguous requests before anything else reads them, and removes the
// headers that a client must not set.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := sanitize.Check(r); err != nil {
		r = withRequestID(w, r)
		g.rejected.WithLabelValues(err.Code).Inc()
		g.log.LogAttrs(r.Context(), slog.LevelInfo, "request rejected", slog.String("code", err.Code))
		httpapi.WriteProblem(w, r, err)
		return
	}
	origin := sanitize.OriginOf(r, g.TrustedProxies)
	sanitize.StripHopByHop(r.Header)
	sanitize.StripForged(r.Header)
	origin.Set(r.Header)
	switch {
	case g.cors(w, r):
	case r.URL.Path == "/openapi.json" && r.Method == http.MethodGet:
		g.serveDocument(w, r)
	default:
		g.api.ServeHTTP(w, r)
	}
}

// withRequestID sets an id for a request that the API does not see, so that its client
// can refer to it.
func withRequestID(w http.ResponseWriter, r *http.Request) *http.Request {
	id := rand.Text()
	w.Header().Set("X-Request-Id", id)
	return r.WithContext(telemetry.WithRequestID(r.Context(), id))
}

// setTraceHeaders sets the request id and the trace context that the service receives.
func setTraceHeaders(r *http.Request, answer http.Header) {
	r.Header["X-Request-Id"] = answer["X-Request-Id"]
	if parent := telemetry.Traceparent(r.Context()); parent != "" {
		r.Header["Traceparent"] = []string{parent}
	}
}

// authorize rejects requests that the service would reject too, to save the service the
// work. On public routes it leaves the token to the service.
//
// If the gateway has no keys yet, because the users service was down when the gateway
// started, it lets the request pass: the service verifies the token with the keys that
// it keeps. So an order is accepted even while the users service is down.
func (g *gateway) authorize(who access, r *http.Request) error {
	if who == public {
		return nil
	}
	token, err := httpapi.BearerToken(r.Header)
	if err != nil {
		return err
	}
	if token == "" {
		return httpapi.ErrTokenMissing
	}
	caller, err := g.verifier.Verify(r.Context(), token)
	switch {
	case fault.Is(err, fault.Unavailable):
		return nil
	case err != nil:
		return err
	case who == adminOnly && caller.Role != auth.Admin:
		return httpapi.RoleRequired(auth.Admin)
	}
	return nil
}

func (g *gateway) serveDocument(w http.ResponseWriter, r *http.Request) {
	document, err := g.document.Document(r.Context())
	if err != nil {
		httpapi.WriteProblem(w, withRequestID(w, r), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // an error means that the client has gone
}
