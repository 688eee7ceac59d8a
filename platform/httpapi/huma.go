package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"troupe/platform/auth"
)

// humaAPI is the part of huma that we use: it binds and validates inputs, and makes
// the OpenAPI document. The methods below decide how bytes become values and how
// errors become problems; huma's global hooks stay as they are.
type humaAPI struct{ huma.API }

func newHumaAPI(a *API) huma.API {
	return humaAPI{huma.NewAPI(huma.Config{OpenAPI: newDocument(a.config)}, adapter{a})}
}

// Negotiate returns JSON for every Accept header: no other type is offered.
func (humaAPI) Negotiate(string) (string, error) { return "application/json", nil }

func (humaAPI) Unmarshal(contentType string, data []byte, v any) error {
	return decode(contentType, data, v)
}

func (humaAPI) Marshal(w io.Writer, _ string, v any) error { return encode(ignoreWriteErrors{w}, v) }

// ignoreWriteErrors drops the errors of writing to a client that has disconnected:
// huma would panic on them.
type ignoreWriteErrors struct{ to io.Writer }

func (w ignoreWriteErrors) Write(p []byte) (int, error) {
	_, _ = w.to.Write(p)
	return len(p), nil
}

// Transform turns huma's own errors into problems, and keeps the cause for the log.
func (humaAPI) Transform(ctx huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		v = validationProblem(ctx.Context(), m)
	}
	if p, ok := v.(*problem); ok {
		if o, _ := ctx.Operation().Metadata[optionsKey].(operation); o.grants != nil {
			p.setOAuth()
		}
		_, w := humago.Unwrap(ctx)
		recordCause(w, p)
		Protect(w.Header())
	}
	return v, nil
}

// adapter puts operations on the mux, each behind the checks that need no types.
type adapter struct{ api *API }

func (d adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.api.mux.ServeHTTP(w, r) }

func (d adapter) Handle(op *huma.Operation, bind func(huma.Context)) {
	o, _ := op.Metadata[optionsKey].(operation)
	mediaType := bodyType(op)
	names := boundBy(op)
	forbidNullArrays(d.api.huma.OpenAPI(), op)
	documentMergePatch(op)
	documentParameters(op)
	documentExample(op, d.api.huma.OpenAPI().Components.Schemas, o.example)
	documentGrants(op, d.api.huma.OpenAPI().Components.Schemas, o.grants)
	if o.described {
		return
	}
	d.api.bodies[op.Method+" "+op.Path] = mediaType
	schema := jsonSchema(op, mediaType)
	requireLengths(op, d.api.huma.OpenAPI().Components.Schemas, schema)
	serve := func(w http.ResponseWriter, r *http.Request) *http.Request {
		o.protect(w.Header(), op.Method)
		r, err := d.api.authorize(o, w, r)
		RecordCaller(w, auth.CallerOf(r.Context()))
		if err == nil {
			err = names.check(r)
		}
		if err == nil && o.admit != nil {
			err = o.admit(r)
		}
		var body []byte
		if err == nil {
			body, err = bodyOf(r, op.Method, mediaType, o.maxBody)
		}
		if err == nil {
			err = checkMergePatch(r, body)
		}
		if err != nil {
			advertiseTypes(w.Header(), op.Method, mediaType, err)
			o.writeError(w, r, err)
			return r
		}
		body, p := d.api.checkBounds(r.Context(), body, schema, o.maxValues)
		if p != nil {
			writeProblem(w, p)
			return r
		}
		bind(&requestContext{humaContext: humago.NewContext(op, r, answerNotModified(w, r)), mediaType: mediaType, body: body})
		return r
	}
	d.api.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		d.api.reportAdminCall(o, w, serve(w, r))
	})
}

// writeError writes the problem document of an error, also in the words of OAuth if the
// operation is one of OAuth's.
func (o operation) writeError(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(r.Context(), err)
	if o.grants != nil {
		p.setOAuth()
	}
	writeProblem(w, p)
}

// jsonSchema returns the schema of the operation's body, nil if it takes none or a form.
func jsonSchema(op *huma.Operation, mediaType string) *huma.Schema {
	if mediaType != jsonType {
		return nil
	}
	return op.RequestBody.Content[jsonType].Schema
}

// requestContext is the huma.Context of a request whose body has been read.
type requestContext struct {
	humaContext
	mediaType string
	body      []byte
}

// humaContext is an alias that can be embedded: a field named Context would hide
// huma.Context's method of that name.
type humaContext = huma.Context

// Unwrap lets humago find the request and the writer.
func (c *requestContext) Unwrap() huma.Context { return c.humaContext }

// Header returns a header of the request. For Content-Type it is the media type as
// the operation declares it, even if the client spelled it differently.
func (c *requestContext) Header(name string) string {
	if name == "Content-Type" {
		return c.mediaType
	}
	return c.humaContext.Header(name)
}

func (c *requestContext) BodyReader() io.Reader { return bytes.NewReader(c.body) }

// SetReadDeadline does nothing: the body has already been read.
func (c *requestContext) SetReadDeadline(time.Time) error { return nil }

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
