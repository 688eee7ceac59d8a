package gateway

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/patterns/breaker"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/balance"
	"troupe/services/gateway/internal/config"
	"troupe/services/gateway/internal/upstream"
)

// managedUpstream is an upstream with what decides whether it survives a reload.
type managedUpstream struct {
	*upstream.Upstream
	name    string
	base    string
	config  config.Upstream
	metrics *prometheus.Registry // of this upstream alone, so that they can be removed with it
}

// newUpstream returns the upstream with this configuration. The settings are its
// defaults.
func (g *gateway) newUpstream(env app.Env, name string, c config.Upstream) (*managedUpstream, error) {
	bases, err := baseURLs(env, name, c)
	if err != nil {
		return nil, err
	}
	u := &managedUpstream{name: name, base: bases[0].String(), config: c, metrics: prometheus.NewRegistry()}
	total, try := cmp.Or(c.Timeout, g.Timeout), cmp.Or(c.TryTimeout, g.TryTimeout)
	transport := env.Transport
	if c.KeepAlive != nil {
		transport = env.TransportKeeping(*c.KeepAlive)
	}
	u.Upstream = upstream.New(upstream.Config{
		Name: name, Balancer: g.newBalancer(env, u, bases), Transport: transport,
		Total: total, Try: try, Idle: cmp.Or(c.Idle, g.Idle), SlowTry: cmp.Or(c.SlowTry, g.SlowTry),
		InFlight: cmp.Or(c.InFlight, g.InFlight), Adaptive: c.Adaptive, MaxBody: cmp.Or(c.MaxBody, httpapi.MaxBody), Readers: g.readers, Streams: g.streams,
		// A probe that streams a body may take as long as the body and an attempt.
		Breaker: breaker.Config{Recovery: cmp.Or(c.Recovery, g.Recovery), ProbeTimeout: total + 2*try},
		Now:     env.Now, Log: env.Log, Registry: u.metrics, Journal: env.Journal,
	})
	return u, nil
}

// baseURLs returns the targets of an upstream: those of its configuration, or the address
// of the service with its name.
func baseURLs(env app.Env, name string, c config.Upstream) (bases []*url.URL, err error) {
	targets := c.Targets
	if len(targets) == 0 {
		targets = []string{env.Peers[name]}
	}
	for _, t := range targets {
		base, err := url.Parse(t)
		if err != nil || base.Host == "" || base.Path != "" {
			return nil, fmt.Errorf("the address of %s is %q: it must be a scheme and a host, for example http://127.0.0.1:8002", name, t)
		}
		bases = append(bases, base)
	}
	return bases, nil
}

// servicesReadiness is where the services of the system say whether they take requests.
const servicesReadiness = "/readyz"

func (g *gateway) newBalancer(env app.Env, u *managedUpstream, bases []*url.URL) *balance.Balancer {
	health := balance.Health(u.config.Health)
	if len(u.config.Targets) == 0 {
		health.Path = cmp.Or(health.Path, servicesReadiness)
	}
	return balance.New(balance.Config{
		Name: u.name, Targets: bases, Lookup: env.Lookup, Resolve: g.Resolve, Transport: env.Transport,
		Health: health, Ejection: balance.Ejection(u.config.Ejection),
		Now: env.Now, Wake: g.targetsGone.Notify, Log: env.Log, Registry: u.metrics,
	})
}

// watchTargets is the step of the worker that looks after the targets of all upstreams.
func (g *gateway) watchTargets(ctx context.Context) (int, error) {
	var group errgroup.Group
	for _, u := range g.routing.Load().upstreams {
		group.Go(func() error {
			_, err := u.Step(ctx)
			return err
		})
	}
	return 0, group.Wait()
}

// kept returns the upstream that r has under this name if its configuration is c, else
// nil.
func (r *routing) kept(name string, c config.Upstream) *managedUpstream {
	if r == nil {
		return nil
	}
	if old := r.upstreams[name]; old != nil && reflect.DeepEqual(old.config, c) {
		return old
	}
	return nil
}

// replaceMetrics removes the metrics of the upstreams of before that r does not use, and
// adds those of the new ones.
func (r *routing) replaceMetrics(before *routing, registry *prometheus.Registry) {
	if before != nil {
		for name, old := range before.upstreams {
			if r.upstreams[name] != old {
				registry.Unregister(old.metrics)
			}
		}
	}
	for name, u := range r.upstreams {
		if before == nil || before.upstreams[name] != u {
			registry.MustRegister(u.metrics)
		}
	}
}
