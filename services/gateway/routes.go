package gateway

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"troupe/app"
	"troupe/patterns/throttle"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/config"
	"troupe/services/gateway/internal/openapi"
	"troupe/services/gateway/internal/route"
	"troupe/services/gateway/internal/upstream"
)

// routing is what one configuration means. It does not change: a reload makes another,
// and a request that has begun goes on with the one that it found.
type routing struct {
	config    *config.Config
	table     route.Table[*forwarder]
	upstreams map[string]*managedUpstream
	limits    map[string]*rateLimit
	admin     rateLimits // of the operations for admins
	exposed   map[operation]bool
}

// operation is a route without the names of its parameters.
type operation struct{ upstream, method, path string }

// newRouting returns the routing of c. It keeps the upstreams of before, with their
// circuit breakers, connections and metrics, if their configuration is the same.
func (g *gateway) newRouting(c *config.Config, before *routing, env app.Env) (*routing, error) {
	r := &routing{config: c, upstreams: map[string]*managedUpstream{}, exposed: map[operation]bool{}}
	for _, name := range c.UpstreamNames() {
		if r.upstreams[name] = before.kept(name, c.Upstreams[name]); r.upstreams[name] != nil {
			continue
		}
		u, err := g.newUpstream(env, name, c.Upstreams[name])
		if err != nil {
			return nil, err
		}
		r.upstreams[name] = u
	}
	r.replaceMetrics(before, env.Registry)
	r.keepForced(before)
	g.newLimits(r, before, env.Now)
	r.admin = r.limitsOf(config.Route{Access: config.Public}) // those by address: the user is not known yet
	for _, rule := range c.Routes {
		for _, method := range rule.AllMethods() {
			r.table.Add(method, rule.Path, g.newForwarder(r, rule, method))
			r.exposed[operation{rule.Upstream, method, openapi.PathPattern(rule.Path)}] = true
			if rule.Compose != "" {
				r.exposed[operation{"gateway", method, openapi.PathPattern(rule.Path)}] = true
			}
		}
	}
	return r, nil
}

// match returns the forwarder of a request, or the methods that its path supports.
func (g *gateway) match(r *http.Request) (http.Handler, []string) {
	routing := g.routing.Load()
	f, ok := routing.table.Find(r.Method, r.URL.Path)
	if !ok {
		allow := routing.table.Methods(r.URL.Path)
		if r.Method == http.MethodOptions && len(allow) > 0 {
			r.Pattern = "OPTIONS " + routing.pathOf(allow[0], r.URL.Path)
			return options{g, routing}, nil
		}
		return nil, allow
	}
	r.Pattern = f.pattern
	return f, nil
}

// pathOf returns the path of the route of a method.
func (r *routing) pathOf(method, path string) string {
	f, _ := r.table.Find(method, path)
	return f.rule.Path
}

// isExposed reports whether an operation of a service is one of the routes, or one of the
// gateway's own.
func (g *gateway) isExposed(service, method, path string) bool {
	if service == "gateway" && strings.HasPrefix(path, adminPrefix) {
		return true
	}
	routing := g.routing.Load()
	if routing.exposed[operation{service, method, path}] {
		return true
	}
	if u := routing.upstreams[service]; u == nil || u.config.OpenAPI == "" {
		return false
	}
	// The paths of another system are usually routed by a pattern such as /legacy/{rest...}.
	f, routed := routing.table.Find(method, path)
	return routed && f.rule.Upstream == service
}

// documented returns the URLs of the upstreams' API documents.
func (g *gateway) documented() map[string]string {
	urls := map[string]string{}
	routing := g.routing.Load()
	for name, u := range routing.upstreams {
		if u.config.OpenAPI == "" && len(u.config.Targets) == 0 && !routing.hasOperations(name) {
			continue
		}
		urls[name] = u.base + cmp.Or(u.config.OpenAPI, "/openapi.json")
	}
	return urls
}

// hasOperations reports whether a route leads to a single operation of a service, and not
// to all that is below a path.
func (r *routing) hasOperations(upstream string) bool {
	return slices.ContainsFunc(r.config.Routes, func(rule config.Route) bool {
		return rule.Upstream == upstream && !strings.Contains(rule.Path, "...}")
	})
}

// forwarder forwards the requests of one route and method.
type forwarder struct {
	*gateway
	rule    config.Route
	pattern string // "GET /orders/{id}"
	targets targets
	limits  rateLimits
	routing *routing
	rules   upstream.Rules
}

func (g *gateway) newForwarder(r *routing, rule config.Route, method string) *forwarder {
	return &forwarder{
		gateway: g, rule: rule, pattern: method + " " + rule.Path, targets: newTargets(r, rule), limits: r.limitsOf(rule),
		routing: r, rules: upstream.Rules{
			Idempotent: rule.Idempotent, Stream: rule.Stream, Throttle: throttle.New(g.now, rand.Float64),
		},
	}
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := f.check(w, r)
	httpapi.RecordCaller(w, caller)
	if err != nil {
		httpapi.WriteProblem(w, r, err)
		return
	}
	if err := f.checkWebSocket(r); err != nil {
		httpapi.WriteProblem(w, r, err)
		return
	}
	setTraceHeaders(r, w.Header())
	if f.composed(w, r, caller) {
		return
	}
	to := f.choose(caller, r)
	if to.config.MaxBody > 0 {
		httpapi.LimitBody(r, to.config.MaxBody)
	}
	if failed := to.Forward(w, r, f.rules); failed != nil {
		f.writeError(w, r, to.name, failed)
	}
}

// check returns the caller, or why the request is refused. The limits by address come
// before the token is verified, which costs more than they do.
func (f *forwarder) check(w http.ResponseWriter, r *http.Request) (caller auth.Caller, err error) {
	var left quotas
	client := clientAddress(r)
	if err = f.admit(f.limits.byAddress, "", client, &left); err == nil {
		if caller, err = f.authorize(f.rule.Access, r); err == nil {
			err = f.admit(f.limits.byUser, caller.UserID, client, &left)
		}
	}
	left.write(w.Header(), f.limits.policy)
	return caller, err
}
