package gateway

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/config"
	"troupe/services/gateway/internal/sanitize"
)

const codeOverloaded = "service_overloaded"

var overloaded = httpapi.NewRefusal(http.StatusServiceUnavailable, codeOverloaded,
	"this service has more to do than it can; the request was not passed on, try again after the seconds in Retry-After")

// throttled refuses a request that its service would refuse too, because it has too much to
// do, and reports whether it has. That comes before the middleware of the API, because in an
// overload most requests end here, and what they cost is missing for the others.
func (g *gateway) throttled(w http.ResponseWriter, r *http.Request, origin sanitize.Origin) bool {
	f, routed := g.routing.Load().table.Find(r.Method, r.URL.Path)
	if !routed || f.composes(r) || f.rules.Throttle.Admit() {
		return false
	}
	r.Pattern = f.pattern
	origin.SetClient(r.Header)
	g.brief((*throttledRoute)(f), w, r)
	return true
}

// composes reports whether the response may be made of parts, whose services are asked one
// by one.
func (f *forwarder) composes(r *http.Request) bool {
	return f.rule.Compose != "" && (f.rule.Compose == config.Overview || strings.Contains(r.URL.RawQuery, "expand"))
}

// throttledRoute refuses requests of a route.
type throttledRoute forwarder

// ServeHTTP checks the request as if it were forwarded: a stranger's requests must not count
// as ones that the service refuses. The times after which the clients come back differ.
func (t *throttledRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := (*forwarder)(t)
	caller, err := f.check(w, r)
	httpapi.RecordCaller(w, caller)
	if err != nil {
		httpapi.WriteProblem(w, r, err)
		return
	}
	f.rules.Throttle.Refused()
	f.choose(caller, r).CountRefusal(codeOverloaded)
	overloaded.Write(w, r, time.Second+rand.N(3*time.Second))
}
