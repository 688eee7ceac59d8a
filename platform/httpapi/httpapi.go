// Package httpapi is how a service speaks HTTP: typed operations with OpenAPI
// 3.1 and a docs page, problem documents (RFC 9457), callers known by their
// token. It is the only package that knows huma; input and output structs use
// huma's tags (path, query, header, body; minLength and so on).
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/auth"
)

// Config of an API. All fields but Ready are needed.
type Config struct {
	Service  string // "orders"
	Title    string // for the docs page
	Version  string
	Verifier *auth.Verifier
	Log      *slog.Logger
	Now      func() time.Time
	Registry *prometheus.Registry
	// Ready says why the service can not take requests now, or nil.
	Ready func(ctx context.Context) error
}

// API is one service's HTTP surface.
type API struct{}

// New makes an API that already answers /health, /livez, /readyz, /metrics,
// /openapi.json and /docs.
func New(c Config) *API { panic("todo") }

// Handler serves it all, with request ids, access log, metrics, panics caught
// and bodies limited (1 MiB).
func (a *API) Handler() http.Handler { panic("todo") }

// Handle serves a plain handler beside the operations, for what is no JSON.
func (a *API) Handle(pattern string, h http.Handler) { panic("todo") }

// OpenAPI is the document served at /openapi.json.
func (a *API) OpenAPI() ([]byte, error) { panic("todo") }

// Option describes an operation. Without Public or Only any caller with a
// valid token may call it.
type Option func(*operation)

type operation struct{}

// Public lets anybody call; a valid token still makes the caller known, and
// a bad one is refused.
func Public() Option { panic("todo") }

// Only lets only callers with the role call (admin operations).
func Only(role auth.Role) Option { panic("todo") }

// Says is the one-line summary in the docs; the operation id is made from it.
func Says(summary string) Option { panic("todo") }

// Status is what success answers with, 200 unless told (204 for an empty Out).
func Status(code int) Option { panic("todo") }

// Get, Post, Put, Patch and Delete add an operation. In and Out are huma input and
// output structs. An error that is a *fault.Error becomes its problem document;
// any other is logged and shown as "internal error".
func Get[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	panic("todo")
}

// Post adds an operation; see Get.
func Post[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	panic("todo")
}

// Put adds an operation; see Get.
func Put[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	panic("todo")
}

// Patch adds an operation; see Get.
func Patch[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	panic("todo")
}

// Delete adds an operation; see Get.
func Delete[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	panic("todo")
}

// WriteProblem answers with err's problem document, for plain handlers.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) { panic("todo") }

// Page is a list with a cursor to the next part, as an Out body.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to get the next page; absent on the last"`
}

// PageQuery is embedded in the input of a list.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor"`
}

// EncodeCursor makes an opaque cursor of the last row's key; DecodeCursor is its
// reverse and fails with fault.Invalid for one that we did not make.
func EncodeCursor(key ...string) string { panic("todo") }

// DecodeCursor gives n key parts; see EncodeCursor. An empty cursor gives nil.
func DecodeCursor(cursor string, n int) ([]string, error) { panic("todo") }
