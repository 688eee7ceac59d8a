package gateway_test

import (
	"encoding/json"
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
	for _, service := range w.services {
		service.respondWith(http.StatusServiceUnavailable) // so the documents are those that are built in
	}
	r := w.call(t, "", "GET", "/openapi.json", "")
	require.Equal(t, 200, r.StatusCode)
	require.Empty(t, r.Header.Get("X-Troupe-Missing"))
	require.NoError(t, os.WriteFile(file, r.body, 0o600))
}

// Generated clients name their functions and types after the document. An operation's id
// does not follow from its summary, and what all services share is one type.
func TestGeneratedClientsHaveStableNames(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, service := range w.services {
		service.respondWith(http.StatusServiceUnavailable) // so the documents are those that are built in
	}
	r := w.call(t, "", "GET", "/openapi.json", "")
	require.Equal(t, 200, r.StatusCode)
	var d struct {
		Paths map[string]map[string]struct {
			OperationID string
			Summary     string
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	require.NoError(t, json.Unmarshal(r.body, &d))
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

// Another system's Money is its own, and does not rename that of the services.
func TestAnotherSystemMayHaveItsOwnMoney(t *testing.T) {
	t.Parallel()
	part := func(amount string) openapi.Document {
		var d openapi.Document
		require.NoError(t, json.Unmarshal([]byte(`{"paths":{"/x":{"get":{"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Money"}}}}}}}},
			"components":{"schemas":{"Money":{"properties":{"amount":{"type":"`+amount+`"}}}}}}`), &d))
		return d
	}
	all := func(string, string, string) bool { return true }
	merged, err := openapi.Merge(openapi.Document{}, map[string]openapi.Document{"orders": part("integer"), "payments": part("integer"), "mono": part("number")}, all, nil)
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
