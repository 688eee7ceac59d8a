package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

func TestNoCacheKeepsWhatIsAboutOneCaller(t *testing.T) {
	t.Parallel()
	const data = "default-src 'none'; frame-ancestors 'none'"
	for name, c := range map[string]struct {
		request, token, cache, policy string
		status                        int
	}{
		"what one customer may read":  {"GET /orders/1", "user", "no-store", data, 200},
		"what everybody may read":     {"GET /orders", "", "", data, 200},
		"the answer to a public POST": {"POST /orders", "", "no-store", data, 201},
		"an answer without a body":    {"DELETE /orders/1", "admin", "no-store", data, 204},
		"a problem of the token":      {"GET /orders/1", "", "no-store", data, 401},
		"a problem of a handler":      {"GET /orders/missing", "user", "no-store", data, 404},
		"a problem of the input":      {"POST /orders/1/cancel?x=%00", "", "no-store", data, 400},
		"a problem of a public GET":   {"GET /orders?limit=0", "", "no-store", data, 422},
		"a path that does not exist":  {"GET /nothing", "", "no-store", data, 404},
		"another method":              {"PUT /orders", "", "no-store", data, 405},
		"a panic":                     {"GET /orders/panic", "user", "no-store", data, 500},
		"the document":                {"GET /openapi.json", "", "", data, 200},
		"a probe":                     {"GET /readyz", "", "", data, 200},
		"metrics":                     {"GET /metrics", "", "", "", 200},
		"a handler that is not JSON":  {"GET /docs/docs.js", "", "max-age=3600", "", 200},
		"a redirect of a handler":     {"GET /docs/", "", "", "", 307},
		"the methods of a path":       {"OPTIONS /orders", "", "no-store", data, 204},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			var headers []string
			if c.token != "" {
				headers = []string{"Authorization", "Bearer " + s.token(t, auth.Role(c.token))}
			}
			body := ""
			if c.request == "POST /orders" {
				body = `{"items":[{"sku":"a","quantity":1}]}`
			}
			w := s.send(t, c.request, body, headers...)
			require.Equal(t, c.status, w.Code, w.Body)
			require.Equal(t, []string{"nosniff"}, w.Header().Values("X-Content-Type-Options"))
			requireOne(t, w.Header(), "Cache-Control", c.cache)
			if c.policy != "" {
				requireOne(t, w.Header(), "Content-Security-Policy", c.policy)
			}
		})
	}
}

// requireOne requires the header to have exactly that value, or none for "".
func requireOne(t *testing.T, h http.Header, name, value string) {
	t.Helper()
	if value == "" {
		require.Empty(t, h.Values(name))
		return
	}
	require.Equal(t, []string{value}, h.Values(name))
}
