package gateway_test

import (
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/services/gateway/internal/openapi"
)

// scripts/openapi names the file, and then has the document checked.
func TestTheMergedDocumentIsWrittenForItsLinter(t *testing.T) {
	t.Parallel()
	file := os.Getenv("MERGED_DOCUMENT")
	if file == "" {
		t.Skip("MERGED_DOCUMENT names no file: run scripts/openapi")
	}
	w := start(t, nil)
	_, r := readDocument(t, w)
	require.Empty(t, r.Header.Get("X-Troupe-Missing"))
	require.NoError(t, os.WriteFile(file, r.body, 0o600))
}

// mergedDocument is what the tests read of the document.
type mergedDocument struct {
	Servers []struct{ URL string }
	Tags    []struct{ Name, Description string }
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Responses   map[string]any
		Security    []map[string]any
	}
	Components struct {
		Schemas         map[string]any
		Responses       map[string]any
		SecuritySchemes map[string]struct {
			Flows struct{ Password struct{ TokenURL string } }
		}
	}
}

// readDocument returns the document of a gateway whose services do not answer, so that
// their documents are those that are built in.
func readDocument(t *testing.T, w *gatewayTest, headers ...string) (d mergedDocument, text response) {
	t.Helper()
	for _, service := range w.services {
		service.respondWith(http.StatusServiceUnavailable)
	}
	r := w.call(t, "", "GET", "/openapi.json", "", headers...)
	require.Equal(t, 200, r.StatusCode)
	require.NoError(t, json.Unmarshal(r.body, &d))
	return d, r
}

// Generated clients name their functions and types after the document. An operation's id
// does not follow from its summary, and what all services share is one type.
func TestGeneratedClientsHaveStableNames(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t, start(t, nil))
	ids := map[string]string{}
	for path, operations := range d.Paths {
		for method, o := range operations {
			require.Regexp(t, "^[a-z]+[A-Za-z]+$", o.OperationID, "%s %s: give it an id in internal/openapi/ids.go", method, path)
			require.Empty(t, ids[o.OperationID], "%s %s", method, path)
			ids[o.OperationID] = path
			require.Contains(t, o.Responses, "502")
			require.Contains(t, o.Responses, "504")
		}
	}
	require.Equal(t, "/orders", ids["placeOrder"])
	for name := range d.Components.Schemas {
		for _, shared := range []string{"Money", "Problem", "ProblemField"} {
			require.False(t, strings.HasSuffix(name, "_"+shared), name)
		}
	}
	require.Contains(t, d.Components.Schemas, "Money")
	require.Contains(t, d.Components.Schemas, "Problem")
}

var update = flag.Bool("update", false, "add new operations to the list of ids")

// The list is compared as a whole: a line that changes or goes breaks the clients that were
// generated before.
func TestOperationIDsAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t, start(t, nil))
	var lines []string
	for path, operations := range d.Paths {
		for method, o := range operations {
			lines = append(lines, o.OperationID+" "+strings.ToUpper(method)+" "+openapi.PathPattern(path)+"\n")
		}
	}
	slices.Sort(lines)
	const file = "testdata/operation-ids.txt"
	listed, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Subset(t, lines, slices.Collect(strings.Lines(string(listed))), "an id has changed or gone")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600))
		return
	}
	require.Equal(t, slices.Collect(strings.Lines(string(listed))), lines, "an operation is new: run 'make generate' and commit the list")
}

// Collections and clients that are made from the document call the gateway, under the
// address that their maker used.
func TestTheDocumentNamesTheAddressThatTheClientCalled(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	d, direct := readDocument(t, w, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example")
	require.Equal(t, w.URL, d.Servers[0].URL, "a client cannot choose it")
	require.Equal(t, w.URL+"/token", d.Components.SecuritySchemes["password"].Flows.Password.TokenURL)

	w = start(t, map[string]string{"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"})
	d, proxied := readDocument(t, w, "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.shop.example")
	require.Equal(t, "https://api.shop.example", d.Servers[0].URL)
	require.Equal(t, "https://api.shop.example/token", d.Components.SecuritySchemes["password"].Flows.Password.TokenURL)
	require.NotEqual(t, direct.Header.Get("ETag"), proxied.Header.Get("ETag"))
	require.NotContains(t, string(proxied.body), "gateway.invalid")
}

func TestPublicOperationsAreStatedToNeedNoToken(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t, start(t, nil))
	token, password := map[string]any{"bearer": []any{}}, map[string]any{"password": []any{}}
	for _, c := range []struct {
		method, path string
		want         []map[string]any
	}{
		{"post", "/users", []map[string]any{}},
		{"post", "/token", []map[string]any{}},
		{"get", "/.well-known/jwks.json", []map[string]any{}},
		{"get", "/products", []map[string]any{{}, token, password}},
		{"get", "/users/me", []map[string]any{token, password}},
		{"post", "/orders", []map[string]any{token, password}},
		{"get", "/admin/breakers", []map[string]any{token, password}},
	} {
		require.Equal(t, c.want, d.Paths[c.path][c.method].Security, "%s %s", c.method, c.path)
	}
}

func TestTheGrantsOfATokenRequestAreAnEnumeration(t *testing.T) {
	t.Parallel()
	d, _ := readDocument(t, start(t, nil))
	form, err := json.Marshal(d.Components.Schemas["users_TokenForm"])
	require.NoError(t, err)
	require.Contains(t, string(form), `"enum":["password","refresh_token"]`)
	require.NotContains(t, string(form), "additionalProperties", "generators fail at the keyword in a form")
}

// Pages that show the document list what a newcomer needs first.
func TestTheDocumentIsInTheOrderOfUse(t *testing.T) {
	t.Parallel()
	d, r := readDocument(t, start(t, nil))
	var tags []string
	for _, tag := range d.Tags {
		require.NotEmpty(t, tag.Description)
		tags = append(tags, tag.Name)
	}
	want := []string{"users", "inventory", "orders", "payments", "notifications", "gateway"}
	for _, name := range documented() {
		if !slices.Contains(want, name) {
			want = append(want, name)
		}
	}
	require.Equal(t, want, tags)
	at := -1
	for _, path := range []string{"/users", "/token", "/users/me", "/products", "/orders", "/orders/{id}", "/audit/users"} {
		next := strings.Index(string(r.body), `"`+path+`":{`)
		require.Greater(t, next, at, path)
		at = next
	}
}

// What no operation refers to is not part of the API.
func TestTheDocumentHasNoUnusedComponents(t *testing.T) {
	t.Parallel()
	d, r := readDocument(t, start(t, nil))
	for kind, named := range map[string]map[string]any{"schemas": d.Components.Schemas, "responses": d.Components.Responses} {
		for name := range named {
			require.Contains(t, string(r.body), `"#/components/`+kind+"/"+name+`"`)
		}
	}
}

// Another system's Money is its own, and does not rename that of the services.
func TestAnotherSystemMayHaveItsOwnMoney(t *testing.T) {
	t.Parallel()
	part := func(path, amount string) openapi.Document {
		var d openapi.Document
		require.NoError(t, json.Unmarshal([]byte(`{"paths":{"`+path+`":{"get":{"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Money"}}}}}}}},
			"components":{"schemas":{"Money":{"properties":{"amount":{"type":"`+amount+`"}}}}}}`), &d))
		return d
	}
	all := func(string, string, string) bool { return true }
	merged, err := openapi.Merge(openapi.Document{}, map[string]openapi.Document{"orders": part("/orders", "integer"), "payments": part("/payments", "integer"), "mono": part("/mono", "number")}, all, nil)
	require.NoError(t, err)
	var d struct {
		Components struct{ Schemas map[string]any }
	}
	require.NoError(t, json.Unmarshal(merged, &d))
	require.Equal(t, []string{"Money", "mono_Money"}, slices.Sorted(maps.Keys(d.Components.Schemas)))
}

// The monolith answers once, and is silent when the gateway starts again.
func TestTheDocumentOfAnotherSystemIsKeptOverARestart(t *testing.T) {
	t.Parallel()
	monolith := play(t, "monolith")
	monolith.setHandler(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/schema.json" {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = rw.Write([]byte(`{"openapi":"3.0.3","paths":{
			"/legacy/baskets/{id}":{"get":{"operationId":"basket","responses":{"200":{"description":"A basket"}}}},
			"/admin":{"get":{"operationId":"secret"}},
			"/orders":{"get":{"operationId":"of another upstream"}}}}`))
	})
	folder := t.TempDir()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("extends: default\nroutes:\n  - {path: '/legacy/{rest...}', upstream: mono/lith, access: public}\n"+
		"upstreams:\n  mono/lith: {targets: ['"+monolith.URL+"'], openapi: /api/schema.json}\n"), 0o600))
	type merged struct {
		Paths   map[string]map[string]struct{ OperationID string }
		Missing map[string]string `json:"x-troupe-missing"`
		Stale   map[string]string `json:"x-troupe-stale"`
	}
	read := func(folder string) (d merged) {
		w := start(t, map[string]string{"GATEWAY_CONFIG": file, "GATEWAY_DOCUMENTS": folder})
		r := w.call(t, "", "GET", "/openapi.json", "")
		require.Equal(t, 200, r.StatusCode)
		require.NoError(t, json.Unmarshal(r.body, &d))
		return d
	}
	d := read(folder)
	require.Equal(t, "mono/lith-basket", d.Paths["/legacy/baskets/{id}"]["get"].OperationID)
	require.NotContains(t, d.Paths, "/admin", "no route leads to it")
	require.NotContains(t, d.Paths, "/orders", "the route leads to another upstream")
	require.NotContains(t, d.Stale, "mono/lith")

	monolith.respondWith(http.StatusServiceUnavailable)
	d = read(folder)
	require.Contains(t, d.Paths, "/legacy/baskets/{id}")
	require.Contains(t, d.Stale["mono/lith"], "does not answer")
	d = read(t.TempDir())
	require.NotContains(t, d.Paths, "/legacy/baskets/{id}")
	require.Contains(t, d.Missing["mono/lith"], "/api/schema.json")
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 1, "no temporary file is left, and none of the services' own")

	require.NoError(t, os.WriteFile(filepath.Join(folder, files[0].Name()), []byte(`{"paths":`), 0o600))
	require.Contains(t, read(folder).Missing, "mono/lith", "a copy that is broken is none")
}
