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
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/patterns/worker"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/inflight"
	"troupe/services/gateway/internal/openapi"
)

// Service is the gateway.
var Service = app.Service{Name: "gateway", Port: 8000, Owns: "nothing", ConfigFile: &configFile, Build: build}

type settings struct {
	Timeout    time.Duration `env:"GATEWAY_TIMEOUT" envDefault:"15s"`     // how long a request may wait until its response begins, over all attempts
	TryTimeout time.Duration `env:"GATEWAY_TRY_TIMEOUT" envDefault:"5s"`  // how long one attempt may wait until its response begins
	SlowTry    time.Duration `env:"GATEWAY_SLOW_TRY" envDefault:"3s"`     // an attempt that takes longer counts as slow for the circuit breaker
	Idle       time.Duration `env:"GATEWAY_IDLE_TIMEOUT" envDefault:"1m"` // the longest pause between two parts of a response
	Recovery   time.Duration `env:"GATEWAY_RECOVERY" envDefault:"10s"`    // the recovery timeout: how long the circuit breaker stays open before it allows a probe
	InFlight   int           `env:"GATEWAY_IN_FLIGHT" envDefault:"256"`   // the most requests at a time to one service

	// How often the host names of the services are looked up again. Each of their addresses gets its share of the requests.
	Resolve time.Duration `env:"GATEWAY_RESOLVE_INTERVAL" envDefault:"5s"`
	// The most requests at a time whose body is still arriving. Further ones are refused, so
	// that clients which send slowly use a bounded amount of memory, at most 64 KiB each.
	Bodies int `env:"GATEWAY_BODIES" envDefault:"1024"`
	// The most requests at a time from one address whose body is still arriving.
	BodiesPerAddress int `env:"GATEWAY_BODIES_PER_ADDRESS" envDefault:"64"`

	RateLimits  bool          `env:"GATEWAY_RATE_LIMITS" envDefault:"true"` // whether the rate limits of the configuration hold; false switches all of them off, for load tests
	PartTimeout time.Duration `env:"GATEWAY_PART_TIMEOUT" envDefault:"2s"`  // how long one part of a composed response may take before the response is sent without it

	// Folder for copies of the API documents of upstreams that are no services of this system, for when one does not answer. Without it they are kept in memory.
	Documents string `env:"GATEWAY_DOCUMENTS"`

	// Path of the YAML file with the routes, upstreams and rate limits. Default: the routes of this system (docs/GATEWAY.md).
	ConfigFile string `env:"GATEWAY_CONFIG"`
}

func build(env app.Env) (app.Components, error) {
	g := &gateway{verifier: env.Verifier, log: env.Log, audit: auditLog{env.Transport, env.Peers["users"] + "/audit/gateway"}, after: env.After, targetsGone: worker.NewNotifier()}
	if err := g.readSettings(env); err != nil {
		return app.Components{}, err
	}
	g.readers = inflight.NewReaders(g.Bodies, g.BodiesPerAddress)
	g.rateLimited, g.missingParts = newRateLimited(), newMissingParts()
	env.Registry.MustRegister(g.rateLimited, g.missingParts)
	g.reloads = newReloads(g, env)
	if err := g.reloads.start(); err != nil {
		return app.Components{}, err
	}
	g.document = &openapi.Cache{Services: g.documented, Transport: env.Transport, Exposed: g.isExposed, Folder: g.Documents, Log: env.Log, Now: env.Now}
	g.rejected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_gateway_rejected_requests_total", Help: "Requests rejected because they are ambiguous or malformed, by reason.",
	}, []string{"code"})
	env.Registry.MustRegister(g.rejected, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "troupe_gateway_bodies_arriving", Help: "Requests whose body is still arriving.",
	}, func() float64 { return float64(g.readers.Count()) }))
	targets := worker.Worker{
		Name: "gateway targets", Step: g.watchTargets, Interval: min(time.Second, g.Resolve), Wake: g.targetsGone, Linger: 100 * time.Millisecond,
	}
	return app.Components{
		Routes: g.routes, HTTPHandler: g, Workers: append(g.reloads.workers(), targets), Reload: g.reloads.Reload, Proxies: g.TrustedProxies,
		Stopping: g.streams.Stop, Drain: g.streams.Wait,
	}, nil
}

func (g *gateway) readSettings(env app.Env) error {
	if err := env.Settings(&g.settings); err != nil {
		return err
	}
	if err := g.edge.readSettings(env); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"GATEWAY_TIMEOUT": g.Timeout, "GATEWAY_TRY_TIMEOUT": g.TryTimeout, "GATEWAY_SLOW_TRY": g.SlowTry,
		"GATEWAY_IDLE_TIMEOUT": g.Idle, "GATEWAY_RECOVERY": g.Recovery, "GATEWAY_RESOLVE_INTERVAL": g.Resolve,
		"GATEWAY_PART_TIMEOUT": g.PartTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("%s is %v: it must be positive, for example 5s", name, d)
		}
	}
	for name, n := range map[string]int{
		"GATEWAY_IN_FLIGHT": g.InFlight, "GATEWAY_BODIES": g.Bodies, "GATEWAY_BODIES_PER_ADDRESS": g.BodiesPerAddress,
	} {
		if n <= 0 {
			return fmt.Errorf("%s is %d: it must be positive, for example 256", name, n)
		}
	}
	return nil
}

// routes adds the public routes to the API that also serves health, readiness, metrics
// and docs. So forwarded requests are logged, measured and traced like those of any
// service.
//
// The gateway is ready when its process is ready, regardless of the services: it
// can always answer with an error. If it needed every service, the failure of one would
// make all of them unreachable.
func (g *gateway) routes(api *httpapi.API) {
	api.Fallback(g.match)
	describeCompositions(api)
	g.serveAdmin(api)
	describeEvents(api)
	api.ServeDocument(http.HandlerFunc(g.serveDocument))
	g.api, g.brief = api.Handler(), api.ServeBriefly
	g.document.Own = api.OpenAPI
}
