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
	"troupe/services/gateway/internal/guard"
	"troupe/services/gateway/internal/openapi"
	"troupe/services/gateway/internal/upstream"
)

type gateway struct {
	settings
	verifier  *auth.Verifier
	log       *slog.Logger
	upstreams map[string]*upstream.Upstream
	document  *openapi.Cache
	barred    *prometheus.CounterVec
	inner     http.Handler // routes what has passed the edge
}

// ServeHTTP refuses what could be understood in two ways before anything else
// looks at it, and takes from the headers what a client has no say in.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := guard.Check(r); err != nil {
		r = named(w, r)
		g.barred.WithLabelValues(err.Code).Inc()
		g.log.LogAttrs(r.Context(), slog.LevelInfo, "request barred", slog.String("code", err.Code))
		httpapi.WriteProblem(w, r, err)
		return
	}
	origin := guard.OriginOf(r, g.TrustedProxies)
	guard.StripHop(r.Header)
	guard.StripForged(r.Header)
	origin.Set(r.Header)
	switch {
	case g.cors(w, r):
	case r.URL.Path == "/openapi.json" && r.Method == http.MethodGet:
		g.serveDocument(w, r)
	default:
		g.inner.ServeHTTP(w, r)
	}
}

// named gives a request that the API never sees an id to complain with.
func named(w http.ResponseWriter, r *http.Request) *http.Request {
	id := rand.Text()
	w.Header().Set("X-Request-Id", id)
	return r.WithContext(telemetry.WithRequestID(r.Context(), id))
}

// stamp gives the request to the service under the id and the trace it has here.
func stamp(r *http.Request, answer http.Header) {
	r.Header["X-Request-Id"] = answer["X-Request-Id"]
	if parent := telemetry.Traceparent(r.Context()); parent != "" {
		r.Header["Traceparent"] = []string{parent}
	}
}

// admit refuses whom the service would refuse too, before the service is troubled.
// Where anybody may call, a token is the service's to judge.
//
// If no key has been had yet, because users was down when the gateway started,
// the edge can not judge: the service can, since it keeps the keys it last had.
// So an order is taken although users is down.
func (g *gateway) admit(who access, r *http.Request) error {
	if who == anybody {
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
	case who == admins && caller.Role != auth.Admin:
		return httpapi.RoleRequired(auth.Admin)
	}
	return nil
}

func (g *gateway) serveDocument(w http.ResponseWriter, r *http.Request) {
	document, err := g.document.Document(r.Context())
	if err != nil {
		httpapi.WriteProblem(w, named(w, r), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // a reader who is gone needs no document
}
