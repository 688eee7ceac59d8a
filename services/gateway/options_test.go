package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The methods are those of the gateway's routes, not those that the service names, and the
// types of the bodies are those that the service takes.
func TestOptionsNamesWhatARouteTakes(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	answer := func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions || r.ContentLength != 0 {
			rw.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		rw.Header().Set("Allow", "DELETE")
		rw.Header().Set("Accept-Post", "application/json")
		rw.Header().Set("Accept-Patch", "application/merge-patch+json")
	}
	w.services["orders"].setHandler(answer)
	w.services["users"].setHandler(answer)
	for path, want := range map[string][3]string{
		"/orders":                 {"GET, HEAD, POST, OPTIONS", "application/json", ""},
		"/users/me":               {"GET, HEAD, PATCH, DELETE, OPTIONS", "", "application/merge-patch+json"},
		"/me/overview":            {"GET, HEAD, OPTIONS", "", ""},
		"/admin/breakers/orders":  {"GET, HEAD, PUT, OPTIONS", "", ""},
		"/health":                 {"GET, HEAD, OPTIONS", "", ""},
		"/notifications/read":     {"POST, OPTIONS", "", ""}, // whose stub names no types
		"/orders/1?expand=refund": {"GET, HEAD, OPTIONS", "", ""},
	} {
		r := w.call(t, "", "OPTIONS", path, "")
		require.Equal(t, 204, r.StatusCode, path)
		require.Equal(t, want, [3]string{r.Header.Get("Allow"), r.Header.Get("Accept-Post"), r.Header.Get("Accept-Patch")}, path)
		require.NotEmpty(t, r.Header.Get("X-Request-Id"), path)
	}
	w.call(t, "", "OPTIONS", "/nowhere", "").problem(t, 404, "route_not_found")

	w.services["orders"].Close()
	r := w.call(t, "", "OPTIONS", "/orders", "")
	require.Equal(t, 204, r.StatusCode, "the methods are known without the service")
	require.Equal(t, "GET, HEAD, POST, OPTIONS", r.Header.Get("Allow"))
}

func TestOptionsCountsForItsAddress(t *testing.T) {
	t.Parallel()
	w := limited(t, `  address: {rate: 1, burst: 1}`)
	require.Equal(t, 204, w.call(t, "", "OPTIONS", "/orders", "", "X-Forwarded-For", neighbour).StatusCode)
	w.call(t, "", "OPTIONS", "/orders", "", "X-Forwarded-For", neighbour).problem(t, 429, "rate_limited")
}
