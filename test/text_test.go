package test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// schema is as much of a JSON Schema as the documents of the services have.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any    // a name, or a list of them
	Format     string
	Properties map[string]schema
	Items      *schema
}

type apiDocument struct {
	Components struct{ Schemas map[string]schema }
	Paths      map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
	}
}

// member is a string in a body, with a body that has nothing else.
type member struct{ at, body string }

// stringsIn returns the strings in bodies of a schema, with this text in them.
func (d apiDocument) stringsIn(s schema, at, text string) (all []member) {
	if s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
	}
	if s.Type == "string" && s.Format != "password" {
		return []member{{at, text}}
	}
	if s.Items != nil {
		for _, m := range d.stringsIn(*s.Items, at+"[0]", text) {
			all = append(all, member{m.at, "[" + m.body + "]"})
		}
	}
	for name, property := range s.Properties {
		for _, m := range d.stringsIn(property, at+"."+name, text) {
			all = append(all, member{m.at, `{"` + name + `":` + m.body + `}`})
		}
	}
	return all
}

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// The members come from the API document, so that none can be forgotten: names, lines of
// an address, reasons, names of products.
func TestEveryMemberThatPeopleTypeRefusesHiddenCharacters(t *testing.T) {
	t.Parallel()
	s := startSystem(t, cluster.Config{Kind: cluster.InTest})
	var document apiDocument
	require.NoError(t, s.admin.Get(t.Context(), "/openapi.json", &document))
	header := map[string]string{"Authorization": "Bearer " + s.admin.Token(), "Content-Type": "application/json"}
	tried := map[string]bool{}
	for path, methods := range document.Paths {
		for method, operation := range methods {
			body, isJSON := operation.RequestBody.Content["application/json"]
			if !isJSON {
				continue
			}
			for _, m := range document.stringsIn(body.Schema, "body", `"a\u202eb"`) {
				r := rawRequest{method: strings.ToUpper(method), path: pathParameter.ReplaceAllString(path, "x"), header: header, body: m.body}
				requireRefusedAt(t, s.send(t, r), r, m.at)
				tried[r.method+" "+path+" "+m.at] = true
			}
		}
	}
	for _, member := range []string{
		"POST /users body.name", "PATCH /users/me body.name", "POST /orders body.shipping_address.line1", "POST /orders body.items[0].sku",
		"PUT /products/{sku} body.name", "PUT /products/{sku} body.description", "POST /products/{sku}/stock body.reason", "PUT /admin/breakers/{upstream} body.reason",
	} {
		require.True(t, tried[member], "%s was not tried, but %v", member, tried)
	}
}

func requireRefusedAt(t *testing.T, got rawResponse, r rawRequest, at string) {
	t.Helper()
	require.Equal(t, http.StatusUnprocessableEntity, got.status, "%s %s %s: %s", r.method, r.path, r.body, got.body)
	var problem struct {
		Errors []struct{ Location, Message string }
	}
	require.NoError(t, json.Unmarshal(got.body, &problem))
	require.NotEmpty(t, problem.Errors, "%s", got.body)
	require.Equal(t, at, problem.Errors[0].Location)
	require.Contains(t, problem.Errors[0].Message, "U+202E", "%s %s", r.method, r.path)
}
