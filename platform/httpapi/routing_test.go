package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/httpapi"
)

// withFallback is a shop whose fallback knows GET and POST /legacy.
func withFallback(t *testing.T) *shop {
	s := newShop(t)
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s.api.Fallback(func(r *http.Request) (http.Handler, []string) {
		if r.URL.Path != "/legacy" && r.URL.Path != "/orders/{id}/old" {
			return nil, nil
		}
		if r.Method != "GET" && r.Method != "POST" {
			return nil, []string{"GET", "POST"}
		}
		r.Pattern = r.Method + " /legacy"
		return answer, nil
	})
	return s
}

func (s *shop) status(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestTheFallbackAnswersWhatNoOperationMatches(t *testing.T) {
	t.Parallel()
	s := withFallback(t)
	require.Equal(t, http.StatusTeapot, s.status("GET", "/legacy").Code)
	require.Equal(t, http.StatusOK, s.status("GET", "/health").Code)
	require.Equal(t, http.StatusTeapot, s.status("GET", "/orders/%7Bid%7D/old").Code, "it shares its first segment with operations")
	require.Equal(t, http.StatusNotFound, s.status("GET", "/nowhere").Code)
	require.Contains(t, s.log.String(), `"path":"/legacy"`)
	require.Contains(t, s.status("GET", "/metrics").Body.String(), `route="/legacy"`)
}

func TestAllowListsTheMethodsOfTheFallback(t *testing.T) {
	t.Parallel()
	s := withFallback(t)
	for path, allow := range map[string]string{"/legacy": "GET, POST", "/health": "GET, HEAD"} {
		w := s.status("PUT", path)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, allow, w.Header().Get("Allow"))
	}
}

func TestTheRootIsTheFallbacksIfItWantsIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.api.Fallback(func(*http.Request) (http.Handler, []string) {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), nil
	})
	require.Equal(t, http.StatusTeapot, s.status("GET", "/").Code)
	require.Equal(t, http.StatusTeapot, s.status("PUT", "/").Code)
	require.Equal(t, http.StatusTeapot, s.status("GET", "/anything").Code)
	require.Equal(t, http.StatusOK, s.status("GET", "/docs").Code)
}

func TestOptionsNamesTheMethodsOfAPathAndTheTypesOfTheirBodies(t *testing.T) {
	t.Parallel()
	s := withFallback(t)
	httpapi.Patch(s.api, "/orders/{id}", func(context.Context, *placeOrder) (*struct{}, error) { return nil, nil }, httpapi.Summary("Change an order"))
	for path, want := range map[string][3]string{
		"/orders":          {"GET, HEAD, POST, OPTIONS", "application/json", ""},
		"/orders/1":        {"GET, HEAD, PATCH, DELETE, OPTIONS", "", "application/merge-patch+json, application/json"},
		"/orders/1/cancel": {"POST, OPTIONS", "", ""},
		"/token":           {"POST, OPTIONS", "application/x-www-form-urlencoded", ""},
		"/health":          {"GET, HEAD, OPTIONS", "", ""},
		"/legacy":          {"GET, POST, OPTIONS", "", ""},
	} {
		w := s.status("OPTIONS", path)
		require.Equal(t, http.StatusNoContent, w.Code, path)
		h := w.Header()
		require.Equal(t, want, [3]string{h.Get("Allow"), h.Get("Accept-Post"), h.Get("Accept-Patch")}, path)
	}
	require.Equal(t, http.StatusNotFound, s.status("OPTIONS", "/nowhere").Code)
}
