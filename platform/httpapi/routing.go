package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"troupe/platform/fault"
)

// FallbackFunc returns the handler of a request that no operation matches. If it has
// none, it returns the methods that the path supports, nil for an unknown path. It sets
// Pattern of the request to the route, for metrics, traces and the access log.
type FallbackFunc func(*http.Request) (h http.Handler, allow []string)

// Fallback adds routes that may change while the API serves. Only the middleware
// surrounds their handlers, as with Handle. An API with a fallback must not have an
// operation whose path begins with a parameter.
func (a *API) Fallback(f FallbackFunc) { a.fallback = f }

// mux knows the first segments of its patterns, so that a request for the fallback is
// recognised without a search.
type mux struct {
	*http.ServeMux
	first map[string]bool
}

func newMux() *mux { return &mux{http.NewServeMux(), map[string]bool{}} }

func (m *mux) Handle(pattern string, h http.Handler) {
	m.ServeMux.Handle(pattern, h)
	_, path, _ := strings.Cut(pattern, "/")
	m.first[strings.TrimSuffix(firstSegment(path), "{$}")] = true
}

func (m *mux) HandleFunc(pattern string, h http.HandlerFunc) { m.Handle(pattern, h) }

// knows reports whether a pattern may match the path.
func (m *mux) knows(path string) bool { return m.first[firstSegment(path)] }

// route gives a request to the operations, or to the fallback at once if none of them
// can match.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	if a.fallback != nil && !a.mux.knows(r.URL.Path) {
		a.serveFallback(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

var errRouteNotFound = fault.New(fault.NotFound, "route_not_found", "this path does not exist; see /docs for the paths that do")

// serveFallback answers what no pattern matches: by the fallback, else OPTIONS itself, and
// with 405 if another method would match, else with 404.
func (a *API) serveFallback(w http.ResponseWriter, r *http.Request) {
	h, allow := a.matchFallback(r)
	if h != nil {
		h.ServeHTTP(w, r)
		return
	}
	allow = inOrder(allow, a.allowedMethods(r))
	if len(allow) == 0 {
		WriteProblem(w, r, a.routeNotFound(r))
		return
	}
	if r.Method == http.MethodOptions {
		a.writeOptions(w, r, allow)
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	writeProblem(w, newProblem(r.Context(), http.StatusMethodNotAllowed, "method_not_allowed",
		"this path does not support "+truncate(r.Method)+"; use "+strings.Join(allow, ", ")))
}

// routeNotFound returns the error of a path that does not exist. It names the path without
// the slash at its end if that exists: paths of some frameworks have one.
func (a *API) routeNotFound(r *http.Request) error {
	path := strings.TrimRight(r.URL.Path, "/")
	if path == "" || path == r.URL.Path {
		return errRouteNotFound
	}
	without := r.Clone(r.Context())
	without.URL = &url.URL{Path: path}
	if h, allow := a.matchFallback(without); h == nil && len(allow) == 0 && len(a.allowedMethods(without)) == 0 {
		return errRouteNotFound
	}
	return fault.New(fault.NotFound, "route_not_found",
		"this path does not exist: paths have no slash at the end here; did you mean %s?", truncate(without.URL.EscapedPath()))
}

// writeOptions answers what a path supports (RFC 9110, section 9.3.7), and the media types
// of its bodies, to everybody: the API document has the same.
func (a *API) writeOptions(w http.ResponseWriter, r *http.Request, allow []string) {
	for _, method := range [...]string{http.MethodPost, http.MethodPatch} {
		advertiseBody(w.Header(), method, a.bodies[a.patternOf(method, r)])
	}
	WriteOptions(w, allow)
}

// WriteOptions answers an OPTIONS request for a path that supports these methods.
func WriteOptions(w http.ResponseWriter, allow []string) {
	w.Header().Set("Allow", strings.Join(inOrder(allow, []string{http.MethodOptions}), ", "))
	Protect(w.Header())
	w.WriteHeader(http.StatusNoContent)
}

// patternOf returns the pattern that another method would have for the request's path.
func (a *API) patternOf(method string, r *http.Request) string {
	_, pattern := a.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host})
	return pattern
}

func (a *API) matchFallback(r *http.Request) (h http.Handler, allow []string) {
	if a.fallback == nil {
		return nil, nil
	}
	return a.fallback(r)
}

// methods are those that a route may have, in the order in which Allow lists them.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// inOrder returns the methods of both lists, in order and each once.
func inOrder(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(methods), func(method string) bool {
		return !slices.Contains(a, method) && !slices.Contains(b, method)
	})
}

func (a *API) allowedMethods(r *http.Request) []string {
	var allow []string
	for _, method := range methods {
		if a.patternOf(method, r) != "/" {
			allow = append(allow, method)
		}
	}
	return allow
}
