package route_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/services/gateway/internal/route"
)

func tableOf(paths ...string) *route.Table[string] {
	t := &route.Table[string]{}
	for _, path := range paths {
		t.Add("GET", path, path)
	}
	return t
}

func TestTheMostSpecificRouteIsFound(t *testing.T) {
	t.Parallel()
	table := tableOf("/", "/orders", "/orders/{id}", "/orders/me", "/orders/{id}/lines", "/shop/{rest...}", "/shop/{id}/cart", "/{rest...}")
	for path, want := range map[string]string{
		"/": "/", "/orders": "/orders", "/orders/42": "/orders/{id}", "/orders/me": "/orders/me",
		"/orders/me/lines": "/orders/{id}/lines", // the literal leads nowhere, so the parameter is tried
		"/shop":            "/shop/{rest...}", "/shop/": "/shop/{rest...}", "/shop/a": "/shop/{rest...}", "/shop/a/b/c": "/shop/{rest...}",
		"/shop/a/cart": "/shop/{id}/cart", "/shop//cart": "/shop/{rest...}",
		"/shopping": "/{rest...}", "/orders/": "/{rest...}", "/orders/42/": "/{rest...}", "/x": "/{rest...}",
	} {
		got, ok := table.Find("GET", path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
	}
}

func TestSegmentsMatchAsAWhole(t *testing.T) {
	t.Parallel()
	table := tableOf("/users", "/orders/{id}", "/shop/{rest...}")
	for _, path := range []string{"", "/", "/usersX", "/users/", "/user", "/orders", "/orders/", "/orders/1/", "/orders//", "/shopX", "*"} {
		_, ok := table.Find("GET", path)
		require.False(t, ok, path)
		require.Empty(t, table.Methods(path), path)
	}
}

func TestMethodsAreRoutedApart(t *testing.T) {
	t.Parallel()
	table := &route.Table[string]{}
	table.Add("GET", "/orders/{id}", "show")
	table.Add("POST", "/orders/me", "mine")
	found, ok := table.Find("GET", "/orders/me")
	require.True(t, ok)
	require.Equal(t, "show", found)
	found, ok = table.Find("HEAD", "/orders/me")
	require.True(t, ok)
	require.Equal(t, "show", found)
	require.Equal(t, []string{"GET", "HEAD", "POST"}, table.Methods("/orders/me"))
	require.Equal(t, []string{"GET", "HEAD"}, table.Methods("/orders/42"))
}

func TestFindingARouteAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts for the whole process
	table := tableOf("/orders", "/orders/{id}", "/orders/{id}/timeline", "/shop/{rest...}")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = table.Find("GET", "/orders/42/timeline")
		_, _ = table.Find("GET", "/shop/a/b")
		_, _ = table.Find("GET", "/nowhere")
	}))
}

// pathOf draws a path of few different segments, so that routes and requests meet.
func pathOf(t *rapid.T, segments ...string) string {
	return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(segments), 1, 4).Draw(t, "segments"), "/")
}

// Where http.ServeMux accepts a set of patterns, the table finds the same ones. The only
// difference is that /shop/{rest...} matches /shop too.
func TestTheTableAgreesWithServeMux(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table, mux := &route.Table[string]{}, http.NewServeMux()
		for range rapid.IntRange(1, 6).Draw(t, "routes") {
			path := pathOf(t, "a", "b", "{1}")
			if rapid.Bool().Draw(t, "rest") {
				path += "/{rest...}"
			}
			path = named(path)
			if accepted(mux, path) {
				table.Add("GET", path, path)
			}
		}
		request := pathOf(t, "a", "b", "c")
		if rapid.Bool().Draw(t, "slash") {
			request += "/"
		}
		_, want := mux.Handler(&http.Request{Method: "GET", URL: &url.URL{Path: request}})
		got, _ := table.Find("GET", request)
		if got == want || strings.HasSuffix(got, "{rest...}") && !strings.HasSuffix(request, "/") {
			return
		}
		t.Fatalf("%s: the table finds %q, ServeMux %q", request, got, want)
	})
}

// named gives each parameter of a path a name of its own.
func named(path string) string {
	for _, name := range []string{"{p}", "{q}", "{r}", "{s}"} {
		path = strings.Replace(path, "{1}", name, 1)
	}
	return path
}

func accepted(mux *http.ServeMux, pattern string) (ok bool) {
	defer func() { ok = recover() == nil }()
	mux.Handle(pattern, http.NotFoundHandler())
	return true
}
