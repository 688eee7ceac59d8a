package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/casing"

	"troupe/platform/auth"
)

// Option describes an operation. Without Public, Anonymous or RequireRole, any
// caller with a valid token may call it.
type Option func(*operation)

type operation struct {
	public      bool
	anonymous   bool
	role        auth.Role // "" for any
	summary     string
	description string
	example     any // of the body; nil: none
	status      int
	grants      []string                  // of OAuth 2.0, if the operation issues tokens
	maxBody     int64                     // bytes
	maxValues   int                       // of the body
	admit       func(*http.Request) error // nil: every request
	described   bool                      // only in the document
	conditional bool                      // its input has If-Match or If-None-Match
	events      map[string]any            // the data of each server-sent event, by name; nil: no stream
}

// Public makes the token optional. A valid token still identifies the caller; one that is
// expired or not valid is ignored, which the response's WWW-Authenticate and the access
// log report.
func Public() Option { return func(o *operation) { o.public = true } }

// Anonymous is Public without a look at the token: for operations that clients need
// when their token is no longer valid, such as signing in.
func Anonymous() Option { return func(o *operation) { o.public, o.anonymous = true, true } }

// RequireRole restricts the operation to callers with the given role.
func RequireRole(role auth.Role) Option { return func(o *operation) { o.role = role } }

// Summary is the one-line summary in the docs. The operation id is made from it
// ("Place an order" becomes place-an-order), and generated clients name their
// functions after that id: a new summary is a breaking change for them.
func Summary(summary string) Option { return func(o *operation) { o.summary = summary } }

// Description adds sentences to the operation's description in the docs, which begins with
// who may call it.
func Description(text string) Option { return func(o *operation) { o.description = text } }

// Example sets the example of the body, with which the docs fill the form for a request.
// Without it they make one up from the examples of the members.
func Example(body any) Option { return func(o *operation) { o.example = body } }

// Status sets the status of a successful response. The default is 200, or 204 for
// an Out without a Body.
func Status(code int) Option { return func(o *operation) { o.status = code } }

// OAuthGrants is for the operation that issues tokens. It adds the members "error" and
// "error_description" of RFC 6749, section 5.2, to its problem documents, so that OAuth
// clients can read them, and lists the grants in the document. The operation itself refuses
// others, by a code of its own.
func OAuthGrants(types ...string) Option { return func(o *operation) { o.grants = types } }

// BodyLimit sets the largest size of the operation's body, in bytes, up to [MaxBody].
// The default is [DefaultBody].
func BodyLimit(size int64) Option { return func(o *operation) { o.maxBody = size } }

// BodyValues sets the most values of the operation's body; the default is 2,000. A value takes
// up to 60 times the memory of its text: more is for operations of few callers.
func BodyValues(most int) Option { return func(o *operation) { o.maxValues = most } }

// Admit refuses requests before their body is read or anything else is done, by the
// error of admit: for services that shed load. The request has been authorized.
func Admit(admit func(*http.Request) error) Option { return func(o *operation) { o.admit = admit } }

// Get adds an operation, as Post, Put, Patch and Delete do. In and Out are huma
// input and output structs. An error that is a *fault.Error becomes its problem
// document; any other error is logged and answered as 500 "internal error".
//
// Get panics, as the others do, if the operation could not work: without a Verifier,
// with an operation id that is taken, with a body of another type than JSON or form, or with a list in the body that has no
// maxItems.
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

// Describe adds an operation to the OpenAPI document alone: another handler, such as that
// of a gateway's route, serves it and checks its callers and its input.
func Describe[In, Out any](a *API, method, path string, o ...Option) {
	never := func(context.Context, *In) (*Out, error) { panic("httpapi: " + path + " is only described") }
	add(a, method, path, never, append(o, func(o *operation) { o.described = true }))
}

func add[In, Out any](a *API, method, path string, h func(context.Context, *In) (*Out, error), options []Option) {
	_, conditional := any(new(In)).(conditions)
	o := operation{maxBody: DefaultBody, maxValues: maxValues, conditional: conditional}
	for _, option := range options {
		option(&o)
	}
	var out *Out
	op := humaOperation(o, method, path, huma.GenerateOperationID(method, path, out))
	a.check(o, op)
	if o.events != nil {
		describeEvents(&op, a.huma.OpenAPI().Components.Schemas, o.events)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return out, nil
	})
}

// check panics if the operation cannot be called, or if clients cannot be generated
// because its id is taken: a mistake in the code that must stop the start.
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

// optionsKey is the key of an operation's options in huma's Metadata.
const optionsKey = "options"

// humaOperation describes the operation to huma, for binding and for the document.
func humaOperation(o operation, method, path, id string) huma.Operation {
	op := huma.Operation{
		Method:        method,
		Path:          path,
		OperationID:   id,
		Summary:       o.summary,
		Description:   strings.TrimSpace(o.access() + " " + o.description),
		DefaultStatus: o.status,
		MaxBodyBytes:  MaxBody + 1, // readBody has already limited it
		Metadata:      map[string]any{optionsKey: o},
		Tags:          []string{firstSegment(path)},
		Responses:     problemRefs(o, method, path),
	}
	if o.summary != "" {
		op.OperationID = casing.Kebab(o.summary)
	}
	switch withToken, without := (map[string][]string{bearer: {}}), (map[string][]string{}); {
	case !o.public:
		op.Security = []map[string][]string{withToken}
	case o.anonymous:
		op.Security = []map[string][]string{without}
	default:
		op.Security = []map[string][]string{without, withToken}
	}
	return op
}

// access returns the sentence about who may call the operation.
func (o operation) access() string {
	switch {
	case o.role != "":
		return "Only for callers with the role " + string(o.role) + "."
	case o.anonymous:
		return "Needs no access token."
	case o.public:
		return "Works with an access token or without."
	}
	return "Needs an access token."
}

func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}
