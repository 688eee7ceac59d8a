package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// binder is the part of huma that we use: binding and validating inputs, and the
// document. How bytes become values, and errors problems, it leaves to us; huma's
// global hooks stay as they are.
type binder struct{ huma.API }

func newBinder(a *API) huma.API {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	document := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: a.config.Title, Version: a.config.Version},
		Components: &huma.Components{
			Schemas:         schemas,
			Responses:       problemResponses(schemas),
			SecuritySchemes: securitySchemes(),
		},
	}
	return binder{huma.NewAPI(huma.Config{OpenAPI: document}, adapter{a})}
}

// Negotiate never looks at Accept: there is only JSON to be had.
func (binder) Negotiate(string) (string, error) { return "application/json", nil }

func (binder) Unmarshal(contentType string, data []byte, v any) error {
	return decode(contentType, data, v)
}

func (binder) Marshal(w io.Writer, _ string, v any) error { return encode(w, v) }

// Transform turns huma's own refusals into problems and keeps the cause for the log.
func (binder) Transform(ctx huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		v = refusal(ctx.Context(), m)
	}
	if p, ok := v.(*problem); ok {
		_, w := humago.Unwrap(ctx)
		noteCause(w, p)
	}
	return v, nil
}

// adapter puts operations on the mux, each behind the checks that need no types.
type adapter struct{ api *API }

func (d adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.api.mux.ServeHTTP(w, r) }

func (d adapter) Handle(op *huma.Operation, bind func(huma.Context)) {
	o, _ := op.Metadata[admission].(operation)
	mediaType := bodyType(op)
	headers := boundHeaders(op)
	d.api.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		r, err := d.api.admit(o, r)
		if err == nil {
			err = checkText(r, headers)
		}
		var body []byte
		if err == nil && mediaType != "" {
			body, err = readBody(r, mediaType)
		}
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		bind(&call{humaContext: humago.NewContext(op, r, w), body: body})
	})
}

// call is a request whose body has been read.
type call struct {
	humaContext
	body []byte
}

// humaContext can be embedded; huma.Context would hide its method of that name.
type humaContext = huma.Context

// Unwrap lets humago find the request and the writer.
func (c *call) Unwrap() huma.Context { return c.humaContext }

func (c *call) BodyReader() io.Reader { return &bytesReader{c.body} }

// SetReadDeadline does nothing: there is nothing left to wait for.
func (c *call) SetReadDeadline(time.Time) error { return nil }

type bytesReader struct{ rest []byte }

func (r *bytesReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

const bearer = "bearer"

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{bearer: {
		Type: "http", Scheme: "bearer", BearerFormat: "JWT",
		Description: "The access_token of POST /token.",
	}}
}

// documented are the refusals that the document describes one by one.
var documented = []int{400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503}

func problemResponses(schemas huma.Registry) map[string]*huma.Response {
	schema := schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	all := map[string]*huma.Response{}
	for _, status := range documented {
		all[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
		}
	}
	return all
}
