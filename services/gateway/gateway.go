// Package gateway is the API gateway: every request from outside comes through it. It
// routes public operations to the services that own them and verifies tokens. A circuit
// breaker, timeouts, retries with a budget and a limit of requests in flight for each
// service keep the failure of one from affecting the others.
//
// The gateway keeps no state and takes no business decision. Every service verifies
// tokens itself; the gateway only rejects early what a service would reject anyway.
package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/patterns/breaker"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/openapi"
	"troupe/services/gateway/internal/upstream"
)

// Service is the gateway.
var Service = app.Service{Name: "gateway", Port: 8000, Owns: "nothing", Build: build}

type settings struct {
	Timeout    time.Duration `env:"GATEWAY_TIMEOUT" envDefault:"15s"`     // how long a request may wait until its response begins, over all attempts
	TryTimeout time.Duration `env:"GATEWAY_TRY_TIMEOUT" envDefault:"5s"`  // how long one attempt may wait until its response begins
	SlowTry    time.Duration `env:"GATEWAY_SLOW_TRY" envDefault:"3s"`     // an attempt that takes longer counts as slow for the circuit breaker
	Idle       time.Duration `env:"GATEWAY_IDLE_TIMEOUT" envDefault:"1m"` // the longest pause between two parts of a response
	Recovery   time.Duration `env:"GATEWAY_RECOVERY" envDefault:"10s"`    // the recovery timeout: how long the circuit breaker stays open before it allows a probe
	InFlight   int           `env:"GATEWAY_IN_FLIGHT" envDefault:"256"`   // the most requests at a time to one service

	// Addresses of proxies whose X-Forwarded headers are trusted, for example 10.0.0.0/8.
	TrustedProxies []netip.Prefix `env:"GATEWAY_TRUSTED_PROXIES"`
	// Origins of the web pages that may call from a browser, for example https://shop.example.
	CORSOrigins []string `env:"GATEWAY_CORS_ORIGINS"`
}

func build(env app.Env) (app.Components, error) {
	g := &gateway{verifier: env.Verifier, log: env.Log, upstreams: map[string]*upstream.Upstream{}}
	if err := g.readSettings(env); err != nil {
		return app.Components{}, err
	}
	bases := map[string]string{}
	for _, name := range upstreams() {
		bases[name] = env.Peers[name]
		base, err := url.Parse(env.Peers[name])
		if err != nil || base.Host == "" || base.Path != "" {
			return app.Components{}, fmt.Errorf("the address of %s is %q: it must be a scheme and a host, for example http://127.0.0.1:8002", name, env.Peers[name])
		}
		g.upstreams[name] = upstream.New(g.upstreamConfig(env, name, base))
	}
	g.document = &openapi.Cache{Services: bases, Transport: env.Transport, Exposed: isExposed, Log: env.Log, Now: env.Now}
	g.rejected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_gateway_rejected_requests_total", Help: "Requests rejected because they are ambiguous or malformed, by reason.",
	}, []string{"code"})
	env.Registry.MustRegister(g.rejected)
	return app.Components{Routes: g.routes, HTTPHandler: g}, nil
}

func (g *gateway) readSettings(env app.Env) error {
	if err := env.Settings(&g.settings); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"GATEWAY_TIMEOUT": g.Timeout, "GATEWAY_TRY_TIMEOUT": g.TryTimeout, "GATEWAY_SLOW_TRY": g.SlowTry,
		"GATEWAY_IDLE_TIMEOUT": g.Idle, "GATEWAY_RECOVERY": g.Recovery,
	} {
		if d <= 0 {
			return fmt.Errorf("%s is %v: it must be positive, for example 5s", name, d)
		}
	}
	if g.InFlight <= 0 {
		return fmt.Errorf("GATEWAY_IN_FLIGHT is %d: it must be positive, for example 256", g.InFlight)
	}
	return nil
}

func (g *gateway) upstreamConfig(env app.Env, name string, base *url.URL) upstream.Config {
	return upstream.Config{
		Name: name, Base: base, Transport: env.Transport,
		Total: g.Timeout, Try: g.TryTimeout, Idle: g.Idle, SlowTry: g.SlowTry,
		InFlight: g.InFlight, MaxBody: httpapi.MaxBody,
		// A probe that streams a body may take as long as the body and an attempt.
		Breaker: breaker.Config{Recovery: g.Recovery, ProbeTimeout: g.Timeout + 2*g.TryTimeout},
		Now:     env.Now, Registry: env.Registry,
	}
}

// routes adds the public routes to the API that also serves health, readiness, metrics
// and docs. So forwarded requests are logged, measured and traced like those of any
// service.
//
// The gateway is ready when its process is ready, regardless of the services: it
// can always answer with an error. If it needed every service, the failure of one would
// make all of them unreachable.
func (g *gateway) routes(api *httpapi.API) {
	for _, r := range routes {
		api.Handle(r.pattern, g.forward(r))
	}
	g.api = api.Handler()
	g.document.Own = api.OpenAPI
}

func (g *gateway) forward(r route) http.Handler {
	to := g.upstreams[r.upstream]
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := g.authorize(r.access, req); err != nil {
			httpapi.WriteProblem(w, req, err)
			return
		}
		setTraceHeaders(req, w.Header())
		if failed := to.Forward(w, req, r.idempotent); failed != nil {
			g.writeError(w, req, r.upstream, failed)
		}
	})
}
