package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that asks for a page that the operation ignores gets the first one again and again.
func TestAnUnknownQueryParameterIsRefusedWithTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for query, detail := range map[string]string{
		"page=2":           "the query parameter page does not exist: pages have no numbers here: pass next_cursor of one page as cursor of the next.",
		"offset=20":        "pass next_cursor of one page as cursor of the next",
		"page_size=5":      "did you mean limit?",
		"limt=5":           "did you mean limit?",
		"Limit=5":          "did you mean limit?",
		"curser=x&limit=2": "did you mean cursor?",
		"ordering=-date":   "this operation takes limit, cursor",
		"utm_source=x":     "this operation takes limit, cursor",
		"=":                "this operation takes limit, cursor",
	} {
		w := s.send(t, "GET /orders?"+query, "")
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, query)
		p := requireProblem(t, w)
		require.Equal(t, "query_unknown", p.Code)
		require.Contains(t, p.Detail, detail, query)
	}
	w := s.send(t, "POST /orders/1/cancel?dry_run=true", "")
	require.Contains(t, requireProblem(t, w).Detail, "this operation takes no query parameters; leave it out")
	require.Zero(t, s.cancelled, "nothing was done")
}

// The URLs of Django end in a slash.
func TestASlashAtTheEndIsAnsweredWithThePathThatExists(t *testing.T) {
	t.Parallel()
	s := withFallback(t)
	for path, meant := range map[string]string{"/orders/": "/orders", "/orders/7/": "/orders/7", "/legacy/": "/legacy"} {
		p := requireProblem(t, s.status("GET", path))
		require.Equal(t, "route_not_found", p.Code, path)
		require.Contains(t, p.Detail, "did you mean "+meant+"?")
	}
	require.NotContains(t, requireProblem(t, s.status("GET", "/nowhere/")).Detail, "did you mean")
}
