package test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// A shop moves out of its monolith: at first the gateway knows only the services, then a
// change of its file, while it runs, adds everything under /legacy, and another takes one
// path of it away again.
func TestAMonolithIsReplacedStepByStep(t *testing.T) {
	t.Parallel()
	monolith := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the monolith answers "+r.URL.Path)
	}))
	t.Cleanup(monolith.Close)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	use := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	use("extends: default")
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: []string{"GATEWAY_CONFIG=" + file}})

	get := func(path string) (int, string) {
		response, err := http.Get(s.URL("gateway") + path)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	becomes := func(path string, status int, contains string) {
		t.Helper()
		require.Eventually(t, func() bool {
			products, _ := get("/products")
			require.Equal(t, 200, products, "the services answer all the time")
			got, body := get(path)
			return got == status && (contains == "" || body == contains)
		}, timeout, pollInterval)
	}

	status, _ := get("/legacy/basket")
	require.Equal(t, http.StatusNotFound, status)

	upstreams := "\nupstreams:\n  monolith: {targets: ['" + monolith.URL + "']}\n"
	use("extends: default\nroutes:\n  - {path: '/legacy/{rest...}', upstream: monolith, access: public}" + upstreams)
	becomes("/legacy/basket", 200, "the monolith answers /legacy/basket")

	use("extends: default\nroutes:\n  - {path: '/legacy/{rest...}', upstream: monolith, access: public}\n" +
		"  - {path: /legacy/basket, upstream: orders, access: authenticated}" + upstreams)
	becomes("/legacy/basket", http.StatusUnauthorized, "")
	_, body := get("/legacy/invoices/7")
	require.Equal(t, "the monolith answers /legacy/invoices/7", body)
}
