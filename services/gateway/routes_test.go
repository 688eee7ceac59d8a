package gateway_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/services/gateway"
)

// startRouting runs a gateway with a configuration file, and returns the path of the file.
func startRouting(t *testing.T, text string) (*gatewayTest, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return start(t, map[string]string{"GATEWAY_CONFIG": file}), file
}

// monolith returns a configuration that adds routes to a server called monolith.
func monolith(url, routes string) string {
	return "extends: default\nroutes:\n" + routes + "\nupstreams:\n  monolith: {targets: ['" + url + "']}\n"
}

func TestAPrefixLeadsToTheMonolithBesideTheServices(t *testing.T) {
	t.Parallel()
	old := play(t, "monolith")
	w, _ := startRouting(t, monolith(old.URL, "  - {path: '/legacy/{rest...}', upstream: monolith, access: public}"))
	for _, path := range []string{"/legacy", "/legacy/", "/legacy/a/b?c=d"} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			h := w.call(t, "", method, path, "").received(t)
			require.Equal(t, "monolith", h.Service)
			require.Equal(t, path, h.URI)
		}
	}
	require.Equal(t, "orders", w.call(t, auth.User, "GET", "/orders", "").received(t).Service)
	w.call(t, auth.User, "GET", "/legacyX", "").problem(t, 404, "route_not_found")
	refused := w.call(t, "", "TRACE", "/legacy/a", "")
	refused.problem(t, 405, "method_not_allowed")
	require.Equal(t, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", refused.Header.Get("Allow"))
}

func TestTheMonolithKeepsAllPathsThatHaveNotMoved(t *testing.T) {
	t.Parallel()
	old := play(t, "monolith")
	w, _ := startRouting(t, monolith(old.URL, "  - {path: '/{rest...}', upstream: monolith, access: public}"))
	for _, path := range []string{"/", "/accounts/login/", "/orders/42/print", "/static/app.js"} {
		require.Equal(t, "monolith", w.call(t, "", "GET", path, "", "Accept", "text/html").received(t).Service, path)
	}
	require.Equal(t, "monolith", w.call(t, "", "POST", "/", "").received(t).Service)
	require.Equal(t, "orders", w.call(t, auth.User, "GET", "/orders/42", "").received(t).Service)
	require.Equal(t, "monolith", w.call(t, auth.User, "PUT", "/orders/42", "").received(t).Service, "a method that the service does not have")
	require.Equal(t, 200, w.call(t, "", "GET", "/health", "").StatusCode)
	require.Equal(t, "gateway", servedBy(t, w))
}

// servedBy returns the service that answers /health.
func servedBy(t *testing.T, w *gatewayTest) string {
	t.Helper()
	_, name, _ := strings.Cut(string(w.call(t, "", "GET", "/health", "").body), `"service":"`)
	return strings.TrimRight(name, "\"}\n")
}

func TestAFileThatStandsAloneRoutesNothingElse(t *testing.T) {
	t.Parallel()
	w, _ := startRouting(t, "routes: [{path: /orders, methods: [GET], upstream: orders, access: public}]")
	require.Equal(t, "orders", w.call(t, "", "GET", "/orders", "").received(t).Service)
	w.call(t, "", "POST", "/orders", "").problem(t, 405, "method_not_allowed")
	w.call(t, auth.Admin, "GET", "/users", "").problem(t, 404, "route_not_found")
}

func TestARouteOfTheFileReplacesOneOfTheDefault(t *testing.T) {
	t.Parallel()
	w, _ := startRouting(t, "extends: default\nroutes: [{path: '/products/{id}', methods: [GET], upstream: inventory, access: admin}]")
	w.call(t, "", "GET", "/products/mug", "").problem(t, 401, "token_missing")
	w.call(t, auth.User, "GET", "/products/mug", "").problem(t, 403, "role_required")
	require.Equal(t, "inventory", w.call(t, "", "GET", "/products", "").received(t).Service)
	require.Equal(t, "inventory", w.call(t, auth.Admin, "PUT", "/products/mug", "").received(t).Service)
}

func TestMetricsNameARequestByItsRoute(t *testing.T) {
	t.Parallel()
	w, _ := startRouting(t, monolith(play(t, "monolith").URL, "  - {path: '/legacy/{rest...}', upstream: monolith, access: public}"))
	for i := range 3 {
		w.call(t, "", "GET", fmt.Sprintf("/legacy/%d/x", i), "").received(t)
		w.call(t, "", "GET", fmt.Sprintf("/nowhere/%d", i), "")
	}
	count := func(route, status string) string {
		return w.metric(t, fmt.Sprintf(`troupe_http_request_duration_seconds_count{method="GET",route=%q,service="gateway",status=%q}`, route, status))
	}
	require.Equal(t, "3", count("/legacy/{rest...}", "200"))
	require.Equal(t, "3", count("", "404"))
}

func TestAnUpstreamOfTheFileHasTimesOfItsOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("extends: default\nupstreams:\n  orders: {timeout: 40ms, try_timeout: 20ms}"), 0o600))
	w := start(t, map[string]string{"GATEWAY_CONFIG": file})
	ordersGaveUp := make(chan struct{})
	w.services["orders"].setHandler(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.services["inventory"].setHandler(func(http.ResponseWriter, *http.Request) { <-ordersGaveUp })
	products := make(chan int, 1)
	go func() { products <- w.call(t, "", "GET", "/products", "").StatusCode }()
	w.call(t, auth.User, "POST", "/orders", "").problem(t, 504, "upstream_timeout")
	close(ordersGaveUp)
	require.Equal(t, 200, <-products, "the others have the times of the settings")
}

// The monolith takes uploads that are larger than any body of the services.
func TestAnUpstreamOfTheFileMayTakeLargerBodies(t *testing.T) {
	t.Parallel()
	old := play(t, "monolith")
	w, _ := startRouting(t, "extends: default\nroutes:\n  - {path: '/admin/{rest...}', upstream: monolith, access: public}\n"+
		"  - {path: /uploads, upstream: monolith, access: public}\nupstreams:\n  monolith: {targets: ['"+old.URL+"'], max_body: 3000000}\n")
	large, tooLarge := strings.Repeat("x", 2_900_000), strings.Repeat("x", 3_000_001)
	for _, path := range []string{"/uploads", "/admin/uploads"} { // the gateway has operations below /admin itself
		require.Len(t, w.call(t, "", "POST", path, large).received(t).Body, len(large), path)
		w.call(t, "", "POST", path, tooLarge).problem(t, 413, "body_too_large")
	}
	w.call(t, auth.User, "POST", "/orders", large).problem(t, 413, "body_too_large")
}

func TestTheGatewaysOwnPathsAreNotRouted(t *testing.T) {
	t.Parallel()
	old := play(t, "monolith")
	w, _ := startRouting(t, monolith(old.URL, "  - {path: '/{rest...}', upstream: monolith, access: public}"))
	for _, path := range []string{"/health", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/docs.js", "/admin/breakers"} {
		require.NotContains(t, string(w.call(t, auth.Admin, "GET", path, "").body), `"Service":"monolith"`, path)
		_, err := w.instance.Service.ConfigFile.Describe("gateway.yaml",
			[]byte(monolith(old.URL, "  - {path: "+path+", methods: [GET], upstream: monolith, access: public}")), names)
		require.ErrorContains(t, err, "the gateway answers "+path+" itself")
	}
}

func TestABadFileStopsTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("extends: default\nroutes:\n  - {path: shop, upstream: users, access: public}"), 0o600))
	peers := map[string]string{}
	for _, name := range names {
		peers[name] = "http://127.0.0.1:1"
	}
	for path, want := range map[string]string{
		file:          "gateway: GATEWAY_CONFIG: " + file + ":3: the path is \"shop\": it must begin with /",
		file + ".not": "gateway.yaml.not: no such file or directory; give the path of a YAML file",
	} {
		_, err := app.NewInstance(gateway.Service, app.Dependencies{
			Environ: map[string]string{"GATEWAY_CONFIG": path}, Peers: peers,
			Transport: http.DefaultTransport, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		require.ErrorContains(t, err, want)
	}
}

func TestTheDocumentFollowsTheRoutes(t *testing.T) {
	t.Parallel()
	w, file := startRouting(t, "routes: [{path: /orders, methods: [GET], upstream: orders, access: public}]")
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"paths":{"/orders":{"get":{"operationId":"a"},"post":{"operationId":"b"}},"/orders/{order_id}":{"get":{"operationId":"c"}}}}`))
	})
	paths := func() string { return string(w.call(t, "", "GET", "/openapi.json", "").body) }
	require.Contains(t, paths(), `"listOrders"`)
	require.NotContains(t, paths(), `"placeOrder"`)
	require.NotContains(t, paths(), `"getOrder"`)
	w.reload(t, file, "routes: [{path: '/orders/{id}', upstream: orders, access: public}]")
	require.Contains(t, paths(), `"getOrder"`)
	require.NotContains(t, paths(), `"listOrders"`)
}

// reload replaces the file and reloads it, as an operator does with SIGHUP.
func (w *gatewayTest) reload(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, w.instance.Components.Reload(t.Context()))
}
