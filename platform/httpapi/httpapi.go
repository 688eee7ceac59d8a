package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/telemetry"
)

// Config is what an API needs. All fields except Ready are required.
type Config struct {
	Service  string // "orders"
	Title    string // for the docs page
	Version  string
	Verifier *auth.Verifier // nil only if every operation is Public
	Log      *slog.Logger   // for the access log
	Now      func() time.Time
	Registry *prometheus.Registry
	// Ready returns the reason why the service cannot take requests now, or nil.
	Ready func(ctx context.Context) error
}

// API is one service's HTTP surface.
type API struct {
	config   Config
	mux      *http.ServeMux
	huma     huma.API
	tracer   trace.Tracer
	duration *prometheus.HistogramVec
	document func() ([]byte, error)
	ids      map[string]string // from operation id to the "METHOD /path" that has it
}

// New returns an API that already answers /health, /livez, /readyz, /metrics,
// /openapi.json and /docs.
func New(c Config) *API {
	a := &API{
		config:   c,
		mux:      http.NewServeMux(),
		tracer:   telemetry.Tracer(c.Service),
		duration: newDurationHistogram(c.Registry, c.Service),
		ids:      map[string]string{},
	}
	a.huma = newHumaAPI(a)
	a.document = sync.OnceValues(func() ([]byte, error) { return json.Marshal(a.huma.OpenAPI()) })
	a.mux.HandleFunc("/", a.routeNotFound)
	a.addProbes()
	a.addDocs()
	return a
}

// Handler returns the API behind its middleware: request ids, traces, the body
// limit (1 MiB), the access log with the metrics, and the recovery of panics.
func (a *API) Handler() http.Handler {
	return chain(a.mux, a.trace, limitBody, a.accessLog, recoverPanics)
}

// Handle adds a plain handler beside the operations, for what is not JSON. Only the
// middleware surrounds it: it checks its caller and its input itself.
func (a *API) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// OpenAPI returns the document served at /openapi.json. Operations added after the
// first call are missing from it.
func (a *API) OpenAPI() ([]byte, error) { return a.document() }

var errRouteNotFound = fault.New(fault.NotFound, "route_not_found", "this path does not exist; see /docs for the paths that do")

// routeNotFound answers what no pattern matches: 405 if another method would
// match, else 404.
func (a *API) routeNotFound(w http.ResponseWriter, r *http.Request) {
	allow := a.allowedMethods(r)
	if len(allow) == 0 {
		WriteProblem(w, r, errRouteNotFound)
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	writeProblem(w, newProblem(r.Context(), http.StatusMethodNotAllowed, "method_not_allowed",
		"this path does not support "+truncate(r.Method)+"; use "+strings.Join(allow, ", ")))
}

func (a *API) allowedMethods(r *http.Request) []string {
	var allow []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "/" {
			allow = append(allow, method)
		}
	}
	return allow
}
