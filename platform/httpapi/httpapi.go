package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"troupe/platform/auth"
	"troupe/platform/telemetry"
)

// Config is what an API needs. All fields down to Registry are required.
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
	// Live returns the reason why the process has to be restarted, as a sentence that anybody
	// may read, or "". nil means that it never has.
	Live func() string
	// Degraded returns what of the service does not work now although it takes requests,
	// as a sentence that anybody may read, or "".
	Degraded    func() string
	HideMetrics bool // answers 404 for /metrics, which are served elsewhere
	HideDocs    bool // answers 404 for /docs and /openapi.json
	// TrustForwardedFor makes the access log name the client by the last address in
	// X-Forwarded-For. Only the gateway may be able to reach the service then.
	TrustForwardedFor bool
	// Stream are the times of live streams; see [Stream].
	Stream StreamTimes
	// Served is called after each request that has a span; nil: nothing is called. It must be quick.
	Served func()
	// AdminCalled is called after each call of an operation that requires a role.
	AdminCalled func(ctx context.Context, call AdminCall)
}

// API is one service's HTTP surface.
type API struct {
	config   Config
	mux      *mux
	huma     huma.API
	tracer   trace.Tracer
	duration *prometheus.HistogramVec
	document func() ([]byte, error)
	// documentHandler serves /openapi.json instead of document, if set.
	documentHandler http.Handler
	docsLinks       string            // HTML, on the page /docs
	ids             map[string]string // from operation id to the "METHOD /path" that has it
	bodies          map[string]string // from "METHOD /path" of an operation to the media type of its body
	fallback        FallbackFunc      // nil if there is none
}

// New returns an API that already answers /health, /livez, /readyz, /metrics,
// /openapi.json and /docs.
func New(c Config) *API {
	a := &API{
		config:   c,
		mux:      newMux(),
		tracer:   telemetry.Tracer(c.Service),
		duration: newDurationHistogram(c.Registry, c.Service),
		ids:      map[string]string{},
		bodies:   map[string]string{},
	}
	a.huma = newHumaAPI(a)
	a.document = sync.OnceValues(func() ([]byte, error) { return json.Marshal(a.huma.OpenAPI()) })
	a.mux.HandleFunc("/", a.serveFallback)
	a.addProbes()
	if !c.HideMetrics {
		a.mux.Handle("GET /metrics", Metrics(c.Registry))
	}
	if !c.HideDocs {
		a.addDocs()
	}
	return a
}

// Handler returns the API behind its middleware: request ids, traces, the caller's
// deadline, the body limit (1 MiB), the access log with the metrics, and the recovery
// of panics.
func (a *API) Handler() http.Handler {
	return chain(http.HandlerFunc(a.route), refuseSniffing, a.trace, limitTime, limitBody, a.accessLog, recoverPanics)
}

// Handle adds a plain handler beside the operations, for what is not JSON. Only the
// middleware surrounds it: it checks its caller and its input itself.
func (a *API) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// ServeDocument makes h answer /openapi.json in the place of the API's own document.
func (a *API) ServeDocument(h http.Handler) { a.documentHandler = h }

// OpenAPI returns the document served at /openapi.json. Operations added after the
// first call are missing from it.
func (a *API) OpenAPI() ([]byte, error) { return a.document() }
