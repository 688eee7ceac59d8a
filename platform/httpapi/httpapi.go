// Package httpapi is how a service speaks HTTP: typed operations with OpenAPI
// 3.1 and a docs page, problem documents (RFC 9457), callers known by their
// token. It is the only package that knows huma; input and output structs use
// huma's tags (path, query, header, body; minLength and so on).
//
// What comes in is held to this, so that no handler need think of it:
//
//   - A body is JSON, or the media type in the contentType tag of Body
//     (application/x-www-form-urlencoded gives strings by their json names).
//     Anything else is 415, and so is a Content-Encoding; no Content-Type at all
//     means what is expected.
//   - An operation that takes no body refuses one with 400, unless it is an empty
//     object or the method is GET.
//   - A body that can not be read in one way only is 400: broken syntax, text
//     after the end, one key twice in an object (in capitals or not), bytes that are
//     no UTF-8, and the character U+0000, which databases do not store.
//   - A member that the operation does not know is 422: a caller who sends
//     "role" or misspells "quantity", be it as "Quantity", learns it. A form that
//     is to ignore them has a field `_ struct{} "additionalProperties:\"true\""`;
//     JSON must not, since encoding/json would take "Quantity" unvalidated.
//     Unknown query parameters are ignored.
//   - A list is never null: in what comes in that is 422, and the document promises
//     as much for what goes out.
//   - What breaks a rule of the struct tags is 422, with every place in "errors".
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

// Config of an API. All fields but Ready are needed.
type Config struct {
	Service  string // "orders"
	Title    string // for the docs page
	Version  string
	Verifier *auth.Verifier // nil only if every operation is Public
	Log      *slog.Logger
	Now      func() time.Time
	Registry *prometheus.Registry
	// Ready says why the service can not take requests now, or nil.
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
	ids      map[string]string // operation ids and whose they are
}

// New makes an API that already answers /health, /livez, /readyz, /metrics,
// /openapi.json and /docs.
func New(c Config) *API {
	a := &API{
		config:   c,
		mux:      http.NewServeMux(),
		tracer:   telemetry.Tracer(c.Service),
		duration: register(c.Registry, c.Service),
		ids:      map[string]string{},
	}
	a.huma = newBinder(a)
	a.document = sync.OnceValues(func() ([]byte, error) { return json.Marshal(a.huma.OpenAPI()) })
	a.mux.HandleFunc("/", a.noRoute)
	a.addProbes()
	a.addDocs()
	return a
}

// Handler serves it all, with request ids, access log, metrics, panics caught
// and bodies limited (1 MiB).
func (a *API) Handler() http.Handler { return http.HandlerFunc(a.serve) }

// Handle serves a plain handler beside the operations, for what is no JSON.
func (a *API) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// OpenAPI is the document served at /openapi.json. Operations added after the
// first call are missing from it.
func (a *API) OpenAPI() ([]byte, error) { return a.document() }
