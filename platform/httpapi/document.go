package httpapi

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const bearer = "bearer"

// newDocument is the OpenAPI document before there is any operation.
func newDocument(c Config) *huma.OpenAPI {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: c.Title, Version: c.Version,
			Description: "Refusals are problem documents (RFC 9457): `code` is for programs and does not change, `detail` is for people.",
		},
		Components: &huma.Components{
			Schemas:         schemas,
			Responses:       problemResponses(schemas),
			SecuritySchemes: securitySchemes(),
		},
	}
}

func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{bearer: {
		Type: "http", Scheme: "bearer", BearerFormat: "JWT",
		Description: "The access_token that POST /token gives.",
	}}
}

// meanings are what the document says of each status that is no success.
var meanings = map[int]string{
	400: "The request can not be read.",
	401: "There is no access token, or it is not valid.",
	403: "The caller is known but not allowed to do this.",
	404: "There is no such thing, or it is not the caller's.",
	409: "This clashes with the present state.",
	413: "The body is too large.",
	415: "The body has a media type or a Content-Encoding that is not taken.",
	422: "The request can be read but breaks a rule; `errors` says where.",
	429: "Too many requests; try again after the time in Retry-After.",
	500: "The fault is ours.",
	503: "The service can not answer now; try again after the time in Retry-After.",
}

func problemResponses(schemas huma.Registry) map[string]*huma.Response {
	schema := schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	all := map[string]*huma.Response{}
	for status, meaning := range meanings {
		all[strconv.Itoa(status)] = &huma.Response{
			Description: meaning,
			Headers:     problemHeaders(status),
			Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
		}
	}
	return all
}

func problemHeaders(status int) map[string]*huma.Param {
	switch status {
	case http.StatusUnauthorized:
		return map[string]*huma.Param{"WWW-Authenticate": {Schema: &huma.Schema{Type: huma.TypeString}}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return map[string]*huma.Param{"Retry-After": {Description: "Seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
	}
	return nil
}

// refusals are the problems that an operation of that kind may answer with.
func refusals(o operation, method, path string) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	for status := range meanings {
		if possible(status, o, method, path) {
			s := strconv.Itoa(status)
			all[s] = &huma.Response{Ref: "#/components/responses/" + s}
		}
	}
	return all
}

func possible(status int, o operation, method, path string) bool {
	switch status {
	case http.StatusForbidden:
		return o.role != ""
	case http.StatusNotFound:
		return strings.Contains(path, "{")
	case http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return method != http.MethodGet && method != http.MethodDelete
	}
	return true
}

// forbidNullArrays undoes huma's habit of taking null for any list: it would get
// around minItems, and clients would have to expect it in answers.
func forbidNullArrays(document *huma.OpenAPI, op *huma.Operation) {
	for _, schema := range document.Components.Schemas.Map() {
		arraysNotNull(schema)
	}
	if op.RequestBody == nil {
		return
	}
	for _, mediaType := range op.RequestBody.Content {
		arraysNotNull(mediaType.Schema)
	}
}

func arraysNotNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	arraysNotNull(s.Items)
	for _, property := range s.Properties {
		arraysNotNull(property)
	}
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		arraysNotNull(values)
	}
}
