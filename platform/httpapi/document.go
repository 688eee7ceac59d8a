package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"troupe/platform/timestamp"
)

const bearer = "bearer"

// newDocument returns the OpenAPI document without any operation yet.
func newDocument(c Config) *huma.OpenAPI {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[timestamp.Time](), reflect.TypeFor[time.Time]())
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: c.Title, Version: c.Version, License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
			Description: "Errors are problem documents (RFC 9457): `code` is for programs and does not change, `detail` is for people. " +
				"Times are RFC 3339 in UTC with six digits after the dot.",
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
		Description: "The access_token from the response of POST /token.",
	}}
}

// problemDescriptions are the descriptions of the error responses, by status.
var problemDescriptions = map[int]string{
	400: "The request cannot be read.",
	401: "There is no access token, or it is not valid.",
	403: "The caller is known but not allowed to do this.",
	404: "It does not exist, or the caller may not see it.",
	408: "The body did not arrive in time.",
	409: "The request conflicts with the current state.",
	412: "A condition in If-Match or If-None-Match does not hold, and nothing was done.",
	413: "The body is too large.",
	415: "The body has a media type or a Content-Encoding that is not supported.",
	422: "The request can be read but breaks a rule; `errors` lists the places.",
	429: "Too many requests; try again after the time in Retry-After.",
	500: "An internal error: the service failed, not the request.",
	503: "The service cannot answer now; try again after the time in Retry-After.",
}

func problemResponses(schemas huma.Registry) map[string]*huma.Response {
	schema := schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	all := map[string]*huma.Response{}
	for status, description := range problemDescriptions {
		all[strconv.Itoa(status)] = &huma.Response{
			Description: description,
			Headers:     problemHeaders(status),
			Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
		}
	}
	return all
}

func problemHeaders(status int) map[string]*huma.Param {
	switch status {
	case http.StatusUnsupportedMediaType:
		return map[string]*huma.Param{
			"Accept-Post":  {Description: "The media types that POST takes", Schema: &huma.Schema{Type: huma.TypeString}},
			"Accept-Patch": {Description: "The media types that PATCH takes", Schema: &huma.Schema{Type: huma.TypeString}},
		}
	case http.StatusUnauthorized:
		return map[string]*huma.Param{"WWW-Authenticate": {Schema: &huma.Schema{Type: huma.TypeString}}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return map[string]*huma.Param{"Retry-After": {Description: "Seconds", Schema: &huma.Schema{Type: huma.TypeInteger}}}
	}
	return nil
}

// problemRefs returns references to the error responses that the operation may have.
func problemRefs(o operation, method, path string) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	for status := range problemDescriptions {
		if mayAnswer(status, o, method, path) {
			s := strconv.Itoa(status)
			all[s] = &huma.Response{Ref: "#/components/responses/" + s}
		}
	}
	if o.conditional && method == http.MethodGet {
		all["304"] = &huma.Response{Description: "It is as the response whose ETag is in If-None-Match."}
	}
	return all
}

// mayAnswer reports whether the operation may answer with the status.
func mayAnswer(status int, o operation, method, path string) bool {
	switch status {
	case http.StatusPreconditionFailed:
		return o.conditional && method != http.MethodGet
	case http.StatusForbidden:
		return o.role != ""
	case http.StatusNotFound:
		return strings.Contains(path, "{")
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return method != http.MethodGet && method != http.MethodDelete
	}
	return true
}

// documentMergePatch adds the type of merge patches to the body of a PATCH.
func documentMergePatch(op *huma.Operation) {
	if op.Method == http.MethodPatch && op.RequestBody != nil {
		op.RequestBody.Content[mergePatchType] = op.RequestBody.Content[jsonType]
	}
}

// documentParameters repeats the examples of required parameters where pages look for them.
func documentParameters(op *huma.Operation) {
	for _, p := range op.Parameters {
		if p.Example == nil && p.Schema != nil && len(p.Schema.Examples) > 0 && p.Required {
			p.Example = p.Schema.Examples[0]
		}
	}
}

// documentExample sets the example of the body. Pages fill in a form field by field, so each
// field has its part of the example, and the others have an empty one.
func documentExample(op *huma.Operation, schemas huma.Registry, example any) {
	if example == nil {
		return
	}
	for _, mediaType := range op.RequestBody.Content {
		mediaType.Example = example
	}
	form := formOf(op, schemas)
	if form == nil {
		return
	}
	var fields map[string]any
	text, err := json.Marshal(example)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		panic("httpapi: the example of " + op.Path + " is not an object: " + err.Error())
	}
	for name, field := range form.Properties {
		value, _ := fields[name].(string)
		field.Examples = []any{value}
	}
}

// formOf returns the schema of an operation's form, nil if it takes none.
func formOf(op *huma.Operation, schemas huma.Registry) *huma.Schema {
	if op.RequestBody == nil || op.RequestBody.Content[formType] == nil {
		return nil
	}
	form := op.RequestBody.Content[formType].Schema
	if form.Ref != "" {
		return schemas.SchemaFromRef(form.Ref)
	}
	return form
}

// documentGrants lists the values of grant_type. It is in the document alone, where huma
// does not look when it validates: OAuth has an error code for another grant.
func documentGrants(op *huma.Operation, schemas huma.Registry, grants []string) {
	if grants == nil {
		return
	}
	formOf(op, schemas).Properties["grant_type"].Extensions = map[string]any{"enum": grants}
}

// forbidNullArrays removes null from the types of all lists, where huma puts it: null
// would evade minItems, and clients would have to expect it in responses.
func forbidNullArrays(document *huma.OpenAPI, op *huma.Operation) {
	for _, schema := range document.Components.Schemas.Map() {
		makeArraysNonNull(schema)
	}
	if op.RequestBody == nil {
		return
	}
	for _, mediaType := range op.RequestBody.Content {
		makeArraysNonNull(mediaType.Schema)
	}
}

func makeArraysNonNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	makeArraysNonNull(s.Items)
	for _, property := range s.Properties {
		makeArraysNonNull(property)
	}
	if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
		makeArraysNonNull(values)
	}
}
