// Package gateway is where every request from outside comes in. It lets through
// what is public, checks it at the edge, and forwards it to the service that
// owns it, which a breaker, time-outs and limits keep from taking the rest down.
//
// It keeps no state and decides nothing about the business. Every service checks
// tokens for itself, so the edge only spares them what is plainly refused.
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
	Timeout    time.Duration `env:"GATEWAY_TIMEOUT" envDefault:"15s"`     // until an answer begins, over all tries
	TryTimeout time.Duration `env:"GATEWAY_TRY_TIMEOUT" envDefault:"5s"`  // the same for one try
	SlowTry    time.Duration `env:"GATEWAY_SLOW_TRY" envDefault:"3s"`     // a try that takes longer counts as slow
	Idle       time.Duration `env:"GATEWAY_IDLE_TIMEOUT" envDefault:"1m"` // between two parts of an answer
	Recovery   time.Duration `env:"GATEWAY_RECOVERY" envDefault:"10s"`    // how long a circuit stays open at least
	InFlight   int           `env:"GATEWAY_IN_FLIGHT" envDefault:"256"`   // requests at once to one service

	// TrustedProxies may say for whom they forward, for example 10.0.0.0/8.
	TrustedProxies []netip.Prefix `env:"GATEWAY_TRUSTED_PROXIES"`
	// CORSOrigins are the web sites whose pages may call, for example https://shop.example.
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
	g.document = &openapi.Cache{Services: bases, Transport: env.Transport, Exposed: exposed, Log: env.Log, Now: env.Now}
	g.barred = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_barred_total", Help: "Requests that were refused before anything looked at them, by reason.",
	}, []string{"code"})
	env.Registry.MustRegister(g.barred)
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
		// A probe that streams a body may take as long as the body and a try.
		Breaker: breaker.Config{Recovery: g.Recovery, ProbeTimeout: g.Timeout + 2*g.TryTimeout},
		Now:     env.Now, Registry: env.Registry,
	}
}

// routes hands what is public to the API that answers health, readiness, metrics
// and docs anyway; so requests that are forwarded are logged, measured and traced
// like any service's own.
//
// The gateway is ready when its process is: it can always refuse what it can not
// forward. Were it ready only with all services up, one sick service would take
// the others' customers away too.
func (g *gateway) routes(api *httpapi.API) {
	for _, r := range routes {
		api.Handle(r.pattern, g.forward(r))
	}
	g.inner = api.Handler()
	g.document.Own = api.OpenAPI
}

func (g *gateway) forward(r route) http.Handler {
	to := g.upstreams[r.upstream]
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := g.admit(r.access, req); err != nil {
			httpapi.WriteProblem(w, req, err)
			return
		}
		stamp(req, w.Header())
		if refusal := to.Forward(w, req, r.keyed); refusal != nil {
			g.refuse(w, req, r.upstream, refusal)
		}
	})
}
