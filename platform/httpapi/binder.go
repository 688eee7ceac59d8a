package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// binder is the part of huma that we use: binding and validating inputs, and the
// document. How bytes become values, and errors problems, it leaves to us; huma's
// global hooks stay as they are.
type binder struct{ huma.API }

func newBinder(a *API) huma.API {
	return binder{huma.NewAPI(huma.Config{OpenAPI: newDocument(a.config)}, adapter{a})}
}

// Negotiate never looks at Accept: there is only JSON to be had.
func (binder) Negotiate(string) (string, error) { return "application/json", nil }

func (binder) Unmarshal(contentType string, data []byte, v any) error {
	return decode(contentType, data, v)
}

func (binder) Marshal(w io.Writer, _ string, v any) error { return encode(deaf{w}, v) }

// deaf does not hear that the caller has gone: huma would call that a panic.
type deaf struct{ to io.Writer }

func (d deaf) Write(p []byte) (int, error) {
	_, _ = d.to.Write(p)
	return len(p), nil
}

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
	forbidNullArrays(d.api.huma.OpenAPI(), op)
	d.api.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		r, err := d.api.admit(o, r)
		if err == nil {
			err = checkText(r, headers)
		}
		var body []byte
		if err == nil {
			body, err = bodyOf(r, op.Method, mediaType)
		}
		if err != nil {
			WriteProblem(w, r, err)
			return
		}
		bind(&call{humaContext: humago.NewContext(op, r, w), mediaType: mediaType, body: body})
	})
}

// call is a request whose body has been read.
type call struct {
	humaContext
	mediaType string
	body      []byte
}

// humaContext can be embedded; huma.Context would hide its method of that name.
type humaContext = huma.Context

// Unwrap lets humago find the request and the writer.
func (c *call) Unwrap() huma.Context { return c.humaContext }

// Header tells huma the media type as the operation has it, however it was spelt.
func (c *call) Header(name string) string {
	if name == "Content-Type" {
		return c.mediaType
	}
	return c.humaContext.Header(name)
}

func (c *call) BodyReader() io.Reader { return bytes.NewReader(c.body) }

// SetReadDeadline does nothing: there is nothing left to wait for.
func (c *call) SetReadDeadline(time.Time) error { return nil }

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
