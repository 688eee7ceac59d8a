package httpapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDocumentDescribesOperationsAndProblems(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := s.send(t, "GET /openapi.json", "")
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var doc map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	for _, c := range []struct {
		want any
		path []string
	}{
		{"3.1.0", []string{"openapi"}},
		{"Orders & more", []string{"info", "title"}},
		{"place-an-order", []string{"paths", "/orders", "post", "operationId"}},
		{"Place an order", []string{"paths", "/orders", "post", "summary"}},
		{"#/components/responses/422", []string{"paths", "/orders", "post", "responses", "422", "$ref"}},
		{nil, []string{"paths", "/orders", "post", "responses", "404"}},
		{[]any{map[string]any{}, map[string]any{"bearer": []any{}}}, []string{"paths", "/orders", "post", "security"}}, // with a token or without
		{[]any{map[string]any{}}, []string{"paths", "/token", "post", "security"}},
		{"get-orders", []string{"paths", "/orders", "get", "operationId"}},
		{[]any{map[string]any{"bearer": []any{}}}, []string{"paths", "/orders/{id}", "get", "security"}},
		{"No Content", []string{"paths", "/orders/{id}", "delete", "responses", "204", "description"}},
		{"Only for callers with the role admin.", []string{"paths", "/orders/{id}", "delete", "description"}},
		{"Needs an access token. It is as the customer sees it.", []string{"paths", "/orders/{id}", "get", "description"}},
		{"Needs no access token.", []string{"paths", "/token", "post", "description"}},
		{"Works with an access token or without.", []string{"paths", "/orders", "post", "description"}},
		{"ada", []string{"paths", "/token", "post", "requestBody", "content", form, "example", "username"}},
		{[]any{"ada"}, []string{"components", "schemas", "SignInBody", "properties", "username", "examples"}},
		{nil, []string{"paths", "/token", "post", "requestBody", "content", "application/json"}},
		{"#/components/schemas/SignInBody", []string{"paths", "/token", "post", "requestBody", "content", form, "schema", "$ref"}},
		{"bearer", []string{"components", "securitySchemes", "bearer", "scheme"}},
		{"#/components/schemas/Problem", []string{"components", "responses", "422", "content", "application/problem+json", "schema", "$ref"}},
		{"integer", []string{"components", "responses", "429", "headers", "Retry-After", "schema", "type"}},
		{nil, []string{"components", "schemas", "ErrorModel"}},
		{1000.0, []string{"components", "schemas", "Item", "properties", "quantity", "maximum"}},
		{"array", []string{"components", "schemas", "PlaceOrderBody", "properties", "items", "type"}},
	} {
		require.Equal(t, c.want, at(doc, c.path), c.path)
	}
}

func at(v any, path []string) any {
	for _, key := range path {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}

func TestTheDocsPageLoadsNothingFromOtherServers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	page := s.send(t, "GET /docs", "")
	require.Equal(t, http.StatusOK, page.Code)
	require.Contains(t, page.Body.String(), "<title>Orders &amp; more</title>")
	policy := page.Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "http")

	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.Len(t, links, 6)
	for _, link := range links {
		if strings.HasPrefix(link[1], "data:") {
			continue
		}
		w := s.send(t, "GET /"+link[1], "", "Accept-Encoding", "gzip")
		require.Equal(t, http.StatusOK, w.Code, link[1])
		require.NotEmpty(t, w.Body.Bytes())
	}
}

func TestABrowserAtTheRootIsRedirectedToTheDocs(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, path := range []string{"/", "/docs/"} {
		w := s.send(t, "GET "+path, "", "Accept", browser)
		require.Equal(t, http.StatusTemporaryRedirect, w.Code, path)
		require.Equal(t, "/docs", w.Header().Get("Location"), path)
	}
	for _, accept := range []string{"", "*/*", "application/json"} {
		p := requireProblem(t, s.send(t, "GET /", "", "Accept", accept))
		require.Equal(t, "route_not_found", p.Code, "a program gets an error that it can read")
		require.Contains(t, p.Detail, "/docs")
	}
}

func TestAssetsAreSentGzippedIfAccepted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	gzipped := s.send(t, "GET /docs/swagger-ui.css", "", "Accept-Encoding", "gzip, br")
	require.Equal(t, "gzip", gzipped.Header().Get("Content-Encoding"))
	require.Equal(t, "text/css; charset=utf-8", gzipped.Header().Get("Content-Type"))
	z, err := gzip.NewReader(gzipped.Body)
	require.NoError(t, err)
	content, err := io.ReadAll(z)
	require.NoError(t, err)

	plain := s.send(t, "GET /docs/swagger-ui.css", "")
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	require.Equal(t, content, plain.Body.Bytes())
}
