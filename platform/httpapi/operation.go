package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/casing"

	"troupe/platform/auth"
)

// Option describes an operation. Without Public, Anonymous or Only any caller
// with a valid token may call it.
type Option func(*operation)

type operation struct {
	public    bool
	anonymous bool
	role      auth.Role // "" for any
	summary   string
	status    int
}

// Public lets anybody call; a valid token still makes the caller known, and
// a bad one is refused.
func Public() Option { return func(o *operation) { o.public = true } }

// Anonymous lets anybody call, and nobody looks at a token: for what somebody
// needs whose token is no good any more, such as signing in.
func Anonymous() Option { return func(o *operation) { o.public, o.anonymous = true, true } }

// RequireRole lets only callers with the role call (admin operations).
func RequireRole(role auth.Role) Option { return func(o *operation) { o.role = role } }

// Summary is the one-line summary in the docs; the operation id is made from it.
func Summary(summary string) Option { return func(o *operation) { o.summary = summary } }

// Status is what success answers with, 200 unless told (204 for an empty Out).
func Status(code int) Option { return func(o *operation) { o.status = code } }

// Get adds an operation, as Post, Put, Patch and Delete do. In and Out are huma input and
// output structs. An error that is a *fault.Error becomes its problem document;
// any other is logged and shown as "internal error".
func Get[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	add(a, http.MethodGet, path, h, o)
}

// Post adds an operation; see Get.
func Post[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	add(a, http.MethodPost, path, h, o)
}

// Put adds an operation; see Get.
func Put[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	add(a, http.MethodPut, path, h, o)
}

// Patch adds an operation; see Get.
func Patch[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	add(a, http.MethodPatch, path, h, o)
}

// Delete adds an operation; see Get.
func Delete[In, Out any](a *API, path string, h func(context.Context, *In) (*Out, error), o ...Option) {
	add(a, http.MethodDelete, path, h, o)
}

func add[In, Out any](a *API, method, path string, h func(context.Context, *In) (*Out, error), options []Option) {
	var o operation
	for _, option := range options {
		option(&o)
	}
	var out *Out
	op := entry(o, method, path, huma.GenerateOperationID(method, path, out))
	a.check(o, op)
	huma.Register(a.huma, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return out, nil
	})
}

// check stops a start that would end in an API nobody can call or generate from.
func (a *API) check(o operation, op huma.Operation) {
	name := op.Method + " " + op.Path
	if !o.public && a.config.Verifier == nil {
		panic("httpapi: " + name + " needs a Verifier, or to be Public")
	}
	if other, taken := a.ids[op.OperationID]; taken {
		panic("httpapi: " + name + " and " + other + " both have the operation id " + op.OperationID)
	}
	a.ids[op.OperationID] = name
}

// admission is the key under which an operation's rules for callers lie in huma's Metadata.
const admission = "admission"

// entry is the operation as huma is to bind and to document it.
func entry(o operation, method, path, id string) huma.Operation {
	op := huma.Operation{
		Method:        method,
		Path:          path,
		OperationID:   id,
		Summary:       o.summary,
		DefaultStatus: o.status,
		MaxBodyBytes:  MaxBody + 1, // readBody has already limited it
		Metadata:      map[string]any{admission: o},
		Tags:          []string{firstSegment(path)},
		Responses:     refusals(o, method, path),
	}
	if o.summary != "" {
		op.OperationID = casing.Kebab(o.summary)
	}
	if !o.public {
		op.Security = []map[string][]string{{bearer: {}}}
	}
	if o.role != "" {
		op.Description = "Only for callers with the role " + string(o.role) + "."
	}
	return op
}

func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}
