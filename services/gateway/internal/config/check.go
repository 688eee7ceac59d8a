package config

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// allMethods are the methods that a route may have; GET includes HEAD.
var allMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// AllMethods returns the methods of the route, none of which is HEAD.
func (r Route) AllMethods() []string {
	if len(r.Methods) == 0 {
		return allMethods
	}
	return r.Methods
}

var parameter = regexp.MustCompile(`\{[^}.]*(\.\.\.)?\}`)

// Shape returns a path without the names of its parameters: "/orders/{}". Two routes of
// the same shape and method match the same requests.
func Shape(path string) string { return parameter.ReplaceAllString(path, "{$1}") }

// ownPaths are the paths that the gateway answers itself. A route to one of them would
// never be used.
var ownPaths = []string{"/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/admin/breakers"}

const extendsDefault = "default"

// check adds the mistakes that concern what a value means.
func (d *decoder) check(c *Config, services []string) {
	if c.Extends != "" && c.Extends != extendsDefault {
		d.addAt("extends", `extends is %q: write "extends: default", or leave it out if the file stands alone`, c.Extends)
	}
	if c.Extends == "" && len(c.Routes) == 0 {
		d.addAt("routes", `there is no route: add "extends: default", or routes`)
	}
	for i := range c.Routes {
		d.checkRoute(fmt.Sprintf("routes[%d]", i), &c.Routes[i], c, services)
	}
	for name, u := range c.Upstreams {
		d.checkUpstream("upstreams."+name, name, u, services)
	}
	for name, l := range c.Limits {
		d.checkLimit(name, l)
	}
}

func (d *decoder) checkRoute(at string, r *Route, c *Config, services []string) {
	d.checkPath(at+".path", r.Path)
	d.checkMethods(at+".methods", r.Methods)
	d.checkComposition(at, r)
	if r.Compose != Overview {
		d.checkUpstreamName(at+".upstream", r.Upstream, c, services)
	}
	switch r.Access {
	case Public, Authenticated, Admin:
	case "":
		d.addAt(at, "access is missing: write public, authenticated or admin")
	default:
		d.addAt(at+".access", "access is %q: write public, authenticated or admin", r.Access)
	}
	if r.Idempotent && !slices.Contains(r.AllMethods(), http.MethodPost) {
		d.addAt(at+".idempotent", "idempotent is about POST, which the route does not have: remove it, or add POST to methods")
	}
	for i, name := range r.Limits {
		if _, known := c.Limits[name]; !known {
			d.addAt(at+".limits["+strconv.Itoa(i)+"]", "there is no limit %q: add it to limits, or name one of them", name)
		}
	}
	d.checkSplit(at, r, c, services)
}

// checkComposition adds the mistakes of a route that composes its response.
func (d *decoder) checkComposition(at string, r *Route) {
	switch {
	case r.Compose == "":
		return
	case r.Compose != Overview && r.Compose != Order:
		d.addAt(at+".compose", "compose is %q: write overview or order, or leave it out", r.Compose)
	case !slices.Equal(r.Methods, []string{http.MethodGet}):
		d.addAt(at+".compose", "a response is composed for GET alone: write methods: [GET]")
	case r.Access == Public:
		d.addAt(at+".access", "the response is composed for the caller: access cannot be public")
	case r.Compose == Order && len(parameter.FindAllString(r.Path, -1)) != 1:
		d.addAt(at+".path", "the path is %q: to compose an order it must have one parameter, its id", r.Path)
	case r.Compose == Overview && (r.Upstream != "" || len(r.Split) > 0):
		d.addAt(at+".upstream", "an overview has no upstream of its own: remove upstream and split")
	}
}

func (d *decoder) checkSplit(at string, r *Route, c *Config, services []string) {
	total, seen := 0, map[string]bool{r.Upstream: true}
	for i, s := range r.Split {
		at := at + ".split[" + strconv.Itoa(i) + "]"
		d.checkUpstreamName(at+".upstream", s.Upstream, c, services)
		if seen[s.Upstream] {
			d.addAt(at+".upstream", "the route leads to %q twice: give each upstream of a split once", s.Upstream)
		}
		seen[s.Upstream] = true
		if s.Percent < 1 || s.Percent > 99 {
			d.addAt(at+".percent", "percent is %d: write a number from 1 to 99", s.Percent)
		}
		total += s.Percent
	}
	if total > 99 {
		d.addAt(at+".split", "the split sends %d %% elsewhere: leave at least 1 %% for %s", total, r.Upstream)
	}
}

var (
	literal      = regexp.MustCompile(`^[A-Za-z0-9._~!$&'()*+,=:@-]+$`)
	namedSegment = regexp.MustCompile(`^\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}$`)
)

func (d *decoder) checkPath(at, path string) {
	if !strings.HasPrefix(path, "/") {
		d.addAt(at, "the path is %q: it must begin with /, for example /orders/{id}", path)
		return
	}
	if path == "/" {
		return
	}
	if slices.Contains(ownPaths, path) || strings.HasPrefix(path, "/docs/") || strings.HasPrefix(path, "/admin/breakers/") {
		d.addAt(at, "the gateway answers %s itself: choose another path", path)
	}
	segments, names := strings.Split(path[1:], "/"), map[string]bool{}
	for i, segment := range segments {
		if sentence := checkSegment(segment, i == len(segments)-1, names); sentence != "" {
			d.addAt(at, "the path %s %s", path, sentence)
			return
		}
	}
}

// checkSegment returns what is wrong with a segment, "" if nothing is.
func checkSegment(segment string, last bool, names map[string]bool) string {
	if segment == "" && last {
		return "ends in /: remove it, or write /{rest...} for everything below"
	}
	named := namedSegment.FindStringSubmatch(segment)
	switch {
	case segment == "", segment == ".", segment == "..":
		return "has an empty or dot segment, which no request can have: remove it"
	case named == nil && strings.ContainsAny(segment, "{}"):
		return "has the segment " + segment + ": a parameter is a whole segment, for example {id}, or {rest...} at the end"
	case named == nil && !literal.MatchString(segment):
		return "has the segment " + segment + ": use letters, digits and any of -._~!$&'()*+,=:@"
	case named == nil:
		return ""
	case named[2] != "" && !last:
		return "goes on after " + segment + ": it must be the last segment"
	case names[named[1]]:
		return "has the parameter " + named[1] + " twice: give each a name of its own"
	}
	names[named[1]] = true
	return ""
}

func (d *decoder) checkMethods(at string, methods []string) {
	for i, method := range methods {
		at := at + "[" + strconv.Itoa(i) + "]"
		switch {
		case method == http.MethodHead:
			d.addAt(at, "HEAD comes with GET: write GET")
		case !slices.Contains(allMethods, method):
			d.addAt(at, "the method is %q: write one of %s, or leave methods out for all of them", method, strings.Join(allMethods, ", "))
		case slices.Contains(methods[:i], method):
			d.addAt(at, "the method %s is listed twice: remove one", method)
		}
	}
}

func (d *decoder) checkUpstreamName(at, name string, c *Config, services []string) {
	if name == "" {
		d.addAt(at, "upstream is missing: name a service or one of upstreams")
		return
	}
	if _, described := c.Upstreams[name]; !described && !slices.Contains(services, name) {
		d.addAt(at, "there is no upstream %q: add it to upstreams with its targets, or name one of %s", name, strings.Join(services, ", "))
	}
}

func (d *decoder) checkUpstream(at, name string, u Upstream, services []string) {
	if len(u.Targets) == 0 && !slices.Contains(services, name) {
		d.addAt(at, "%s is no service of the system, so it needs targets, for example [http://10.0.0.7:8000]", name)
	}
	for i, target := range u.Targets {
		at := at + ".targets[" + strconv.Itoa(i) + "]"
		if base, err := url.Parse(target); err != nil || !isBase(base) {
			d.addAt(at, "the target is %q: write a scheme and a host, for example http://10.0.0.7:8000", target)
		} else if slices.Contains(u.Targets[:i], target) {
			d.addAt(at, "the target %s is listed twice: remove one", target)
		}
	}
	if u.OpenAPI != "" && !strings.HasPrefix(u.OpenAPI, "/") {
		d.addAt(at+".openapi", "openapi is %q: write a path of the upstream that begins with /, for example /api/schema.json", u.OpenAPI)
	}
	d.checkNumbers(at, u)
	if u.KeepAlive != nil && *u.KeepAlive < 0 {
		d.addAt(at+".keep_alive", "keep_alive is %v: it must be positive, for example 1s, or 0s for a connection for each request", *u.KeepAlive)
	}
	if path := u.Health.Path; path != "" && !strings.HasPrefix(path, "/") {
		d.addAt(at+".health.path", "the path is %q: it must begin with /, for example /readyz", path)
	}
	if u.Ejection.Percent > 100 {
		d.addAt(at+".ejection.percent", "percent is %d: write a number from 1 to 100", u.Ejection.Percent)
	}
	if base, longest := u.Ejection.Base, u.Ejection.Longest; longest > 0 && longest < base {
		d.addAt(at+".ejection.longest", "longest is %v, shorter than base, %v: make it at least as long", longest, base)
	}
}

// isBase reports whether u is a scheme and a host, and nothing else.
func isBase(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Hostname() != "" && u.Path == "" &&
		u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// checkNumbers adds the times and counts that are in the file but not positive.
func (d *decoder) checkNumbers(at string, u Upstream) {
	for key, t := range map[string]time.Duration{
		"timeout": u.Timeout, "try_timeout": u.TryTimeout, "slow_try": u.SlowTry, "idle_timeout": u.Idle, "recovery": u.Recovery,
		"health.interval": u.Health.Interval, "health.timeout": u.Health.Timeout,
		"ejection.base": u.Ejection.Base, "ejection.longest": u.Ejection.Longest,
	} {
		if d.isGiven(at+"."+key) && t <= 0 {
			d.addAt(at+"."+key, "%s is %v: it must be positive, for example 5s", key, t)
		}
	}
	for key, n := range map[string]int64{
		"max_body": u.MaxBody, "in_flight": int64(u.InFlight), "health.up": int64(u.Health.Up), "health.down": int64(u.Health.Down),
		"ejection.failures": int64(u.Ejection.Failures), "ejection.percent": int64(u.Ejection.Percent),
	} {
		if d.isGiven(at+"."+key) && n <= 0 {
			d.addAt(at+"."+key, "%s is %d: it must be positive", key, n)
		}
	}
}

// isGiven reports whether the file has the value.
func (d *decoder) isGiven(path string) bool { return d.lines[path] > 0 }

// limitName is a name that can stand in a response header.
var limitName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (d *decoder) checkLimit(name string, l Limit) {
	at := "limits." + name
	if !limitName.MatchString(name) {
		d.addAt(at, "the limit's name is %q: use up to 32 small letters, digits, _ and -, and begin with a letter", name)
	}
	if l.Key != ByUser && l.Key != ByAddress {
		d.addAt(at+".key", "key is %q: write user or address", l.Key)
	}
	if !(l.Rate > 0) || math.IsInf(l.Rate, 0) {
		d.addAt(at+".rate", "rate is %v: write the requests a second, for example 0.5", l.Rate)
	}
	if l.Burst < 1 {
		d.addAt(at+".burst", "burst is %d: it must be at least 1", l.Burst)
	}
}
