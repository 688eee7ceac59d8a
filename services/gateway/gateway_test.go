package gateway_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/services/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryPublicRouteLeadsToItsService(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for service, requests := range map[string][]string{
		"users": {
			"POST /users", "GET /users", "GET /users/42", "GET /users/me", "PATCH /users/me", "DELETE /users/me",
			"POST /users/me/password", "POST /token", "POST /logout", "GET /.well-known/jwks.json",
		},
		"inventory": {"GET /products", "GET /products/mug", "PUT /products/mug", "POST /products/mug/stock"},
		"orders": {
			"POST /orders", "GET /orders", "GET /orders/42", "GET /orders/42/timeline", "POST /orders/42/cancel",
			"POST /orders/42/ship", "POST /orders/42/deliver",
		},
		"payments":      {"GET /payments", "POST /payments/42/refund"},
		"notifications": {"GET /notifications", "POST /notifications/42/read"},
	} {
		for _, request := range requests {
			method, path, _ := strings.Cut(request, " ")
			body := "hello"
			if method == "GET" {
				body = ""
			}
			h := w.call(t, auth.Admin, method, path+"?a=1&a=2&b", body).received(t)
			require.Equal(t, service, h.Service, request)
			require.Equal(t, method, h.Method)
			require.Equal(t, path+"?a=1&a=2&b", h.URI)
			require.Equal(t, body, h.Body)
		}
	}
}

func TestOperationsThatAreNotRoutedAreNotFound(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, path := range []string{
		"/usersX", "/users-internal", "/tokens", "/orders-internal", "/ordersX/42", "/products/mug/stock/more",
		"/orders/42/refund", "/orders/", "/orders/42/", "/", "/internal", "/orders/42/timeline/x", "/.well-known/openid-configuration",
		"/dead-letters", "/parked", "/Orders", "/users/42/password",
	} {
		w.call(t, auth.Admin, "GET", path, "").problem(t, 404, "route_not_found")
	}
	for _, s := range w.services {
		require.Zero(t, s.calls.Load())
	}
}

func TestAKnownPathListsItsMethods(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for request, allow := range map[string]string{
		"DELETE /orders":         "GET, HEAD, POST",
		"PUT /orders/42":         "GET, HEAD",
		"GET /token":             "POST",
		"PUT /users/me":          "GET, HEAD, PATCH, DELETE",
		"PATCH /products/mug":    "GET, HEAD, PUT",
		"BREW /notifications":    "GET, HEAD",
		"TRACE /orders":          "GET, HEAD, POST",
		"TRACE /openapi.json":    "GET, HEAD",
		"POST /openapi.json":     "GET, HEAD",
		"GET /payments/1/refund": "POST",
	} {
		method, path, _ := strings.Cut(request, " ")
		r := w.call(t, auth.Admin, method, path, "")
		r.problem(t, 405, "method_not_allowed")
		require.Equal(t, allow, r.Header.Get("Allow"), request)
	}
}

func TestUnauthorizedRequestsAreRejectedAtTheGateway(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.call(t, "", "GET", "/orders", "").problem(t, 401, "token_missing")
	require.Equal(t, "Bearer", w.call(t, "", "GET", "/orders", "").Header.Get("WWW-Authenticate"))
	for _, header := range []string{"Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer a,b", "garbage"} {
		w.call(t, "", "GET", "/orders", "", "Authorization", header).problem(t, 401, "authorization_malformed")
	}
	good := w.token(t, auth.User)
	for _, token := range []string{"x", good + "x", good[:len(good)-4] + "AAAA", strings.Repeat("x", 9000)} {
		w.call(t, "", "GET", "/orders", "", "Authorization", "Bearer "+token).problem(t, 401, "token_invalid")
	}
	for _, request := range []string{
		"GET /users", "GET /users/42", "PUT /products/mug", "POST /products/mug/stock",
		"POST /orders/42/ship", "POST /orders/42/deliver", "POST /payments/42/refund",
	} {
		method, path, _ := strings.Cut(request, " ")
		w.call(t, auth.User, method, path, "").problem(t, 403, "role_required")
	}
	for _, s := range w.services {
		require.Zero(t, s.calls.Load(), "nothing of this may reach a service")
	}
	w.call(t, "", "GET", "/orders", "", "Authorization", "bearer "+good).received(t)
	w.clock.advance(11 * time.Minute)
	w.call(t, "", "GET", "/orders", "", "Authorization", "Bearer "+good).problem(t, 401, "token_expired")
}

func TestPublicOperationsNeedNoToken(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, request := range []string{"POST /users", "POST /token", "GET /.well-known/jwks.json", "GET /products", "GET /products/mug"} {
		method, path, _ := strings.Cut(request, " ")
		w.call(t, "", method, path, "").received(t)
	}
	h := w.call(t, "", "GET", "/products", "", "Authorization", "Bearer whatever").received(t)
	require.Equal(t, "Bearer whatever", h.Header.Get("Authorization"), "the service judges it")
	ended := w.token(t, auth.User)
	w.clock.advance(time.Hour)
	w.call(t, "", "POST", "/token", "", "Authorization", "Bearer "+ended).received(t)
}

// The users service is down when the gateway starts, so the gateway has no keys. The
// services keep theirs and verify the tokens, so an order is accepted.
func TestWithoutKeysTheServiceDecides(t *testing.T) {
	t.Parallel()
	w := startWith(t, nil, &http.Transport{}, []byte(`no key set`))
	token := w.token(t, auth.User)
	h := w.call(t, auth.User, "POST", "/orders", "{}").received(t)
	require.Equal(t, "Bearer "+token[:20], h.Header.Get("Authorization")[:27])
	w.call(t, auth.User, "POST", "/orders/42/ship", "").received(t)
	w.call(t, "", "POST", "/orders", "{}").problem(t, 401, "token_missing")
}

func TestTheGatewayServesItsOwnPages(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	health := w.call(t, "", "GET", "/health", "")
	require.Equal(t, 200, health.StatusCode)
	require.JSONEq(t, `{"status":"ok","service":"gateway"}`, string(health.body))
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/docs", "/docs/docs.js"} {
		require.Equal(t, 200, w.call(t, "", "GET", path, "").StatusCode, path)
	}
	for _, path := range []string{"/", "/docs/"} {
		led := w.call(t, "", "GET", path, "", "Accept", "text/html")
		require.Equal(t, "/docs", led.Request.URL.Path, "a browser is led there")
		require.Equal(t, 200, led.StatusCode, path)
	}
	for _, s := range w.services {
		require.Zero(t, s.calls.Load())
	}
}

func TestForgedOriginHeadersAreReplaced(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	h := w.call(t, auth.User, "GET", "/orders", "",
		"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "X-Forwarded-Port", "1",
		"Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "X-User-Id", "root", "X-Auth-Role", "admin", "X_User_Id", "root",
		"X-Original-Url", "/admin", "X-Http-Method-Override", "DELETE", "X-Request-Id", "mine-1", "X-Request-Timeout-Ms", "3600000",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Accept-Language", "de").received(t)
	require.Equal(t, "127.0.0.1", h.Header.Get("X-Forwarded-For"))
	require.Equal(t, "http", h.Header.Get("X-Forwarded-Proto"))
	require.Equal(t, strings.TrimPrefix(w.URL, "http://"), h.Header.Get("X-Forwarded-Host"))
	require.Equal(t, "mine-1", h.Header.Get("X-Request-Id"))
	require.Equal(t, "de", h.Header.Get("Accept-Language"))
	require.Contains(t, h.Header.Get("Traceparent"), "0af7651916cd43dd8448eb211c80319c")
	_, port, _ := strings.Cut(strings.TrimPrefix(w.URL, "http://"), ":")
	require.Equal(t, port, h.Header.Get("X-Forwarded-Port"))
	require.Equal(t, []string{`for=127.0.0.1;host="127.0.0.1:` + port + `";proto=http`}, h.Header["Forwarded"])
	for _, forged := range []string{"X-Real-Ip", "X-User-Id", "X-Auth-Role", "X_user_id", "X-Original-Url", "X-Http-Method-Override"} {
		require.NotContains(t, h.Header, forged)
	}
}

func TestATrustedProxysForwardedAddressCounts(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8,10.0.0.0/8"})
	h := w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-For", "6.6.6.6, 9.9.9.9, 10.1.2.3", "X-Forwarded-Proto", "https").received(t)
	require.Equal(t, "9.9.9.9", h.Header.Get("X-Forwarded-For"), "the last that no proxy of ours vouches for")
	require.Equal(t, "https", h.Header.Get("X-Forwarded-Proto"))
	h = w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-For", "nonsense", "X-Forwarded-Proto", "gopher").received(t)
	require.Equal(t, "127.0.0.1", h.Header.Get("X-Forwarded-For"))
	require.Equal(t, "http", h.Header.Get("X-Forwarded-Proto"))
}

func TestTheAccessLogOfTheGatewayNamesClientUserAndOutcome(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"})
	w.call(t, auth.User, "GET", "/orders?secret=hunter2", "", "X-Forwarded-For", "9.9.9.9").received(t)
	w.call(t, auth.User, "GET", "/users", "", "X-Forwarded-For", "9.9.9.9").problem(t, 403, "role_required")
	w.call(t, "", "GET", "/orders", "", "X-Forwarded-For", "9.9.9.9").problem(t, 401, "token_missing")
	require.Eventually(t, func() bool { return w.log.count("client=9.9.9.9") == 3 }, 5*time.Second, time.Millisecond)
	require.Equal(t, 1, w.log.count("client=9.9.9.9 user=ann code=role_required"))
	require.Equal(t, 2, w.log.count("client=9.9.9.9 user=ann"))
	require.Equal(t, 1, w.log.count("client=9.9.9.9 code=token_missing"))
	require.Zero(t, w.log.count("hunter2"))
	w.call(t, "", "GET", "//x", "").problem(t, 400, "path_refused")
	require.Equal(t, 1, w.log.count("code=path_refused client=127.0.0.1"))
}

func TestConfiguredOriginsMayCallFromABrowser(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_CORS_ORIGINS": "https://shop.example"})
	asked := w.call(t, "", "OPTIONS", "/orders", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, 204, asked.StatusCode)
	require.Equal(t, "https://shop.example", asked.Header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, asked.Header.Get("Access-Control-Allow-Headers"), "Idempotency-Key")
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Vary", "Accept") })
	got := w.call(t, auth.User, "GET", "/orders", "", "Origin", "https://shop.example")
	require.Equal(t, "https://shop.example", got.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, []string{"Origin", "Accept"}, got.Header["Vary"])
	foreign := w.call(t, auth.User, "GET", "/orders", "", "Origin", "https://evil.example")
	require.Empty(t, foreign.Header.Get("Access-Control-Allow-Origin"))
}

func TestABadSettingStopsTheStart(t *testing.T) {
	t.Parallel()
	peers := map[string]string{}
	for _, name := range names {
		peers[name] = "http://127.0.0.1:1"
	}
	for _, c := range []struct{ name, value, want string }{
		{"GATEWAY_TIMEOUT", "0s", "GATEWAY_TIMEOUT"},
		{"GATEWAY_TRY_TIMEOUT", "-1s", "GATEWAY_TRY_TIMEOUT"},
		{"GATEWAY_IN_FLIGHT", "0", "GATEWAY_IN_FLIGHT"},
		{"GATEWAY_TRUSTED_PROXIES", "10.0.0.1", "GATEWAY_TRUSTED_PROXIES"},
		{"peer", "no url", "the address of orders"},
	} {
		own := maps.Clone(peers)
		if c.name == "peer" {
			own["orders"] = c.value
		}
		_, err := app.NewInstance(gateway.Service, app.Dependencies{
			Environ: map[string]string{c.name: c.value}, Peers: own, Transport: http.DefaultTransport,
			Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		require.ErrorContains(t, err, c.want)
	}
}

func TestTheDocumentContainsPublicOperations(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, name := range names {
		w.services[name].setHandler(answer("application/json", "{}"))
	}
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"openapi":"3.1.0","info":{"title":"x"},"paths":{
			"/orders/{order_id}":{"get":{"operationId":"show-order","responses":{"200":{"$ref":"#/components/responses/200"}}},"put":{}},
			"/internal":{"get":{"operationId":"secret"}}},
			"components":{"responses":{"200":{"x":{"$ref":"#/components/schemas/Order"}}},"schemas":{"Hidden":{},"Order":{"properties":{"lines":{"items":{"$ref":"#/components/schemas/Line"}}}},"Line":{}},
			"securitySchemes":{"bearer":{"type":"http"}}}}`)
	})
	r := w.call(t, "", "GET", "/openapi.json", "")
	require.Equal(t, 200, r.StatusCode)
	require.JSONEq(t, `{"openapi":"3.1.0","info":`+info(t, r.body)+`,"paths":{"/orders/{order_id}":{"get":{
		"operationId":"getOrder","description":"Needs an access token.","tags":["orders"],"responses":{"200":{"$ref":"#/components/responses/orders_200"}}}}},
		"components":{"responses":{"orders_200":{"x":{"$ref":"#/components/schemas/orders_Order"}}},
		"schemas":{"orders_Order":{"properties":{"lines":{"items":{"$ref":"#/components/schemas/orders_Line"}}}},"orders_Line":{}},
		"securitySchemes":{"bearer":{"type":"http"}}}}`, withoutOwn(t, r.body))

	w.services["orders"].respondWith(503)
	w.clock.advance(time.Hour)
	later := w.call(t, "", "GET", "/openapi.json", "")
	require.Equal(t, withoutOwn(t, r.body), withoutOwn(t, later.body), "a service that is down is shown as it was")
	require.Equal(t, "orders", later.Header.Get("X-Troupe-Stale"))
	require.Contains(t, string(later.body), `"x-troupe-stale":{"orders":"as of 2026-01-01T12:00:00Z`)
}

// The services' own documents are built in, so an unlucky moment hides nothing.
func TestTheDocumentIsCompleteBeforeAnyServiceAnswers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("extends: default\nroutes:\n  - {path: '/legacy/{rest...}', upstream: legacy, access: public}\n"+
		"upstreams: {legacy: {targets: ['http://127.0.0.1:1']}}\n"), 0o600))
	w := start(t, map[string]string{"GATEWAY_CONFIG": file})
	for _, name := range names {
		w.services[name].respondWith(503)
	}
	r := w.call(t, "", "GET", "/openapi.json", "")
	require.Equal(t, strings.Join(documented(), ", "), r.Header.Get("X-Troupe-Stale"))
	require.Equal(t, "legacy", r.Header.Get("X-Troupe-Missing"))
	var document struct {
		Paths   map[string]any
		Missing map[string]string `json:"x-troupe-missing"`
		Stale   map[string]string `json:"x-troupe-stale"`
	}
	require.NoError(t, json.Unmarshal(r.body, &document))
	for _, path := range []string{"/users/me", "/token", "/products/{sku}", "/orders", "/payments", "/notifications"} {
		require.Contains(t, document.Paths, path)
	}
	require.Contains(t, document.Missing["legacy"], "/openapi.json")
	require.Contains(t, document.Stale["orders"], "was built")

	tag := r.Header.Get("ETag")
	require.NotEmpty(t, tag)
	require.Equal(t, 304, w.call(t, "", "GET", "/openapi.json", "", "If-None-Match", tag).StatusCode)
	for _, name := range names {
		w.services[name].setHandler(answer("application/json", "{}"))
	}
	w.clock.advance(time.Hour)
	r = w.call(t, "", "GET", "/openapi.json", "", "If-None-Match", tag)
	require.Equal(t, 200, r.StatusCode)
	require.Empty(t, r.Header.Get("X-Troupe-Stale"))
	require.NotContains(t, string(r.body), "x-troupe-stale")
}

// ofTheGateway are the components of the gateway that keep their names.
var ofTheGateway = []string{"Problem", "ProblemField", "BadGateway", "GatewayTimeout"}

// withoutOwn returns the document without what is the gateway's own.
func withoutOwn(t *testing.T, document []byte) string {
	t.Helper()
	var d struct {
		OpenAPI    string                    `json:"openapi"`
		Info       any                       `json:"info"`
		Paths      map[string]map[string]any `json:"paths"`
		Components map[string]map[string]any `json:"components"`
	}
	require.NoError(t, json.Unmarshal(document, &d))
	for path, item := range d.Paths {
		if operation := item["get"].(map[string]any); operation["operationId"] == "getOrder" {
			delete(operation, "parameters") // expand, which is the gateway's
			responses := operation["responses"].(map[string]any)
			delete(responses, "502")
			delete(responses, "504")
			continue
		}
		delete(d.Paths, path)
	}
	for _, named := range d.Components {
		maps.DeleteFunc(named, func(name string, _ any) bool {
			return strings.HasPrefix(name, "gateway_") || slices.Contains(ofTheGateway, name)
		})
	}
	d.Components["securitySchemes"] = map[string]any{"bearer": map[string]any{"type": "http"}}
	text, err := json.Marshal(d)
	require.NoError(t, err)
	return string(text)
}

func info(t *testing.T, document []byte) string {
	t.Helper()
	var d struct{ Info json.RawMessage }
	require.NoError(t, json.Unmarshal(document, &d))
	require.Contains(t, string(d.Info), "Troupe gateway")
	return string(d.Info)
}
