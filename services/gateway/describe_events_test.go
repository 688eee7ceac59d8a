package gateway_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/events"
)

// The page needs no other server and no script; every link of it leads somewhere.
func TestTheEventsAreDescribedForPeopleAndForPrograms(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	docs := w.call(t, "", "GET", "/docs", "")
	require.Equal(t, 200, docs.StatusCode)
	require.Contains(t, string(docs.body), `<a href="/docs/events">Events</a>`)

	page := w.call(t, "", "GET", "/docs/events", "")
	require.Equal(t, 200, page.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotContains(t, string(page.body), "<script")
	require.NotRegexp(t, `(src|<link[^>]*href)="(https?:)?/`, string(page.body))
	links := regexp.MustCompile(`href="(/docs[^"]*)"`).FindAllStringSubmatch(string(page.body), -1)
	require.Greater(t, len(links), len(events.Topology))
	for _, link := range links {
		require.Equal(t, 200, w.call(t, "", "GET", link[1], "").StatusCode, link[1])
	}

	for _, eventType := range events.Types() {
		require.Contains(t, string(page.body), `<section id="`+eventType+`">`)
		schema := w.call(t, "", "GET", "/docs/events/"+eventType+".json", "")
		require.Equal(t, 200, schema.StatusCode, eventType)
		require.True(t, strings.HasPrefix(schema.Header.Get("Content-Type"), "application/schema+json"))
		require.True(t, json.Valid(schema.body))
	}
	require.Equal(t, 404, w.call(t, "", "GET", "/docs/events/order.lost.v1.json", "").StatusCode)
}

func TestHiddenDocsHideTheEventsToo(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_DOCS": "false"})
	for _, path := range []string{"/docs", "/docs/events", "/docs/events/asyncapi.json", "/docs/events/order.created.v1.json"} {
		require.Equal(t, 404, w.call(t, "", "GET", path, "").StatusCode, path)
	}
}
