package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func streamOf(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return New(server.URL).WithToken("token")
}

func TestAStreamIsReadUntilItEnds(t *testing.T) {
	t.Parallel()
	c := streamOf(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "retry: 2000\n\n:\n\nid: 8\nevent: entry\ndata: {\"after\":\"%s\"}\n\nevent: gap\ndata: {}\n\n", r.Header.Get("Last-Event-ID")+r.Header.Get("Authorization"))
	})
	var all []StreamEvent
	err := c.Stream(t.Context(), "/stream", "7", func(e StreamEvent) error {
		all = append(all, e)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []StreamEvent{{ID: "8", Name: "entry", Data: `{"after":"7Bearer token"}`}, {Name: "gap", Data: "{}"}}, all)
}

func TestAStreamThatIsRefusedIsAProblem(t *testing.T) {
	t.Parallel()
	c := streamOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"status":403,"code":"role_required","detail":"no"}`)
	})
	err := c.Stream(t.Context(), "/stream", "", func(StreamEvent) error { return nil })
	refused, ok := errors.AsType[*Problem](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "role_required", refused.Code)
}

func TestWhoReadsAStreamCanEndIt(t *testing.T) {
	t.Parallel()
	c := streamOf(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "event: entry\ndata: {}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	enough := errors.New("enough")
	require.ErrorIs(t, c.Stream(t.Context(), "/stream", "", func(StreamEvent) error { return enough }), enough)
}
