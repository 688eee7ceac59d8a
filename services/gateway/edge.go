package gateway

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/telemetry"
	"troupe/services/gateway/internal/config"
	"troupe/services/gateway/internal/inflight"
	"troupe/services/gateway/internal/openapi"
	"troupe/services/gateway/internal/sanitize"
)

type gateway struct {
	settings
	edge
	verifier     *auth.Verifier
	log          *slog.Logger
	routing      atomic.Pointer[routing] // the routes in use; a reload swaps it
	reloads      *reloads
	readers      *inflight.Readers
	targetsGone  worker.Notifier // wakes the worker that looks after the targets
	document     *openapi.Cache
	audit        auditLog
	forcing      sync.Mutex // held while an admin forces a breaker
	after        func(time.Duration, func())
	rejected     *prometheus.CounterVec
	rateLimited  *prometheus.CounterVec
	missingParts *prometheus.CounterVec
	api          http.Handler // routes the requests that were not rejected
	brief        func(h http.Handler, w http.ResponseWriter, r *http.Request)
}

// ServeHTTP rejects ambiguous requests before anything else reads them, and removes the
// headers that a client must not set.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := sanitize.Check(r); err != nil {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // the server must not wait for a body that is not read
		}
		r = withRequestID(w, r)
		g.rejected.WithLabelValues(err.Code).Inc()
		g.log.LogAttrs(r.Context(), slog.LevelInfo, "request rejected", slog.String("code", err.Code),
			slog.String("client", sanitize.OriginOf(r, g.trust).Client))
		httpapi.WriteProblem(w, r, err)
		return
	}
	g.warnOfOverlookedClient(r)
	origin := sanitize.OriginOf(r, g.trust)
	g.setHSTS(w.Header(), origin.Proto)
	webSocket := sanitize.IsWebSocket(r)
	sanitize.StripHopByHop(r.Header)
	sanitize.StripForged(r.Header)
	if g.cors(w, r) || g.throttled(w, r, origin) {
		return
	}
	origin.Set(r.Header)
	if webSocket {
		r.Header["Upgrade"] = []string{"websocket"} // for routes that allow it
	}
	if g.admitOwn(w, r) {
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
// work. On public routes it leaves the token to the service. The caller is empty if it is
// not known.
//
// If the gateway has no keys yet, because the users service was down when the gateway
// started, it lets the request pass: the service verifies the token with the keys that
// it keeps. So an order is accepted even while the users service is down.
func (g *gateway) authorize(who config.Access, r *http.Request) (auth.Caller, error) {
	if who == config.Public {
		return auth.Caller{}, nil
	}
	token, err := httpapi.BearerToken(r.Header)
	if err != nil {
		return auth.Caller{}, err
	}
	if token == "" {
		return auth.Caller{}, httpapi.ErrTokenMissing
	}
	caller, err := g.verifier.Verify(r.Context(), token)
	switch {
	case fault.Is(err, fault.Unavailable):
		return auth.Caller{}, nil
	case err != nil:
		return auth.Caller{}, err
	case who == config.Admin && caller.Role != auth.Admin:
		return caller, httpapi.RoleRequired(auth.Admin)
	}
	return caller, nil
}
