package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// fakeConsole is a console with a stream that ends after each of its parts.
type fakeConsole struct {
	mu    sync.Mutex
	past  string
	parts []string
	after []string // the ids after which the stream was continued
	query []string
}

func (c *fakeConsole) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path == "/console/api/events" {
		_, _ = fmt.Fprintf(w, `{"items":[%s]}`, c.past)
		return
	}
	c.after, c.query = append(c.after, r.Header.Get("Last-Event-ID")), append(c.query, r.URL.RawQuery)
	_, _ = w.Write([]byte(c.parts[0]))
	c.parts = c.parts[1:]
}

func entryJSON(seq int, eventType string) string {
	return fmt.Sprintf(`{"seq":%d,"at":"2026-01-01T12:00:00Z","kind":"published","service":"orders","type":%q,"event_id":"e"}`, seq, eventType)
}

func sent(entries ...string) string {
	var b strings.Builder
	b.WriteString("event: overview\ndata: {}\n\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "id: 1\nevent: entry\ndata: %s\n\n", e)
	}
	return b.String()
}

// What is printed first and what the stream sends may overlap, and a stream that ends is
// continued where it was.
func TestTheTailPrintsEachEntryOnce(t *testing.T) {
	t.Parallel()
	c := &fakeConsole{
		past: entryJSON(1, "order.created.v1") + "," + entryJSON(2, "stock.reserved.v1"),
		parts: []string{
			sent(entryJSON(2, "stock.reserved.v1"), entryJSON(3, "payment.authorized.v1")),
			sent(entryJSON(4, "order.confirmed.v1")) + "event: gap\ndata: {\"lost\":7}\n\n" + "event: end\ndata: {\"reason\":\"token_expired\"}\n\n",
		},
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	var printed strings.Builder
	tail := &tail{tailEvents: tailEvents{Service: "orders", Lines: 20}, paper: paper{Writer: &printed}}
	admin := client.New(server.URL)
	require.NoError(t, tail.follow(t.Context(), admin))
	require.False(t, tail.expired)
	require.NoError(t, tail.follow(t.Context(), admin))
	require.True(t, tail.expired, "the admin has to sign in again")
	lines := strings.Split(strings.TrimSpace(printed.String()), "\n")
	require.Len(t, lines, 4, "%s", printed.String())
	for i, want := range []string{"order.created.v1", "stock.reserved.v1", "payment.authorized.v1", "order.confirmed.v1"} {
		require.Contains(t, lines[i], "publishes "+want)
	}
	require.Equal(t, []string{"", "3"}, c.after)
	require.Equal(t, []string{"service=orders", "service=orders"}, c.query)
}

func TestATailThatIsRefusedReportsIt(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"status":403,"code":"role_required","detail":"you need the role admin"}`))
	}))
	t.Cleanup(server.Close)
	tail := &tail{paper: paper{Writer: &strings.Builder{}}}
	require.ErrorContains(t, tail.follow(t.Context(), client.New(server.URL)), "you need the role admin")
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.ErrorContains(t, tail.follow(ctx, client.New(server.URL)), "is the system running?")
}
