package httpapi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

func TestProbesReportLivenessAndReadiness(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.Equal(t, `{"status":"ok","service":"orders"}`, s.send(t, "GET /health", "").Body.String())
	require.Equal(t, http.StatusOK, s.send(t, "GET /livez", "").Code)
	require.Equal(t, http.StatusOK, s.send(t, "GET /readyz", "").Code)

	degraded := newShopThat(t, func(c *httpapi.Config) { c.Degraded = func() string { return "a part is missing" } })
	w := degraded.send(t, "GET /readyz", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, `{"status":"degraded","reason":"a part is missing"}`, w.Body.String())

	s.ready = errors.New("the database cannot be reached")
	w = s.send(t, "GET /readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "the database cannot be reached", requireProblem(t, w).Detail)
	require.Equal(t, http.StatusOK, s.send(t, "GET /health", "").Code)

	s.ready = fault.New(fault.Unavailable, "starting", "starting").WithCause(errors.New("secret"))
	require.Equal(t, "starting", requireProblem(t, s.send(t, "GET /readyz", "")).Detail)
}

func TestAValidRequestIDIsKept(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, id := range []string{"a", "0190a-b_c.d:e", strings.Repeat("x", 128)} {
		require.Equal(t, id, s.send(t, "GET /health", "", "X-Request-Id", id).Header().Get("X-Request-Id"))
	}
	for _, id := range []string{"", "a b", "a\"b", "ü", "<script>", strings.Repeat("x", 129)} {
		got := s.send(t, "GET /health", "", "X-Request-Id", id).Header().Get("X-Request-Id")
		require.NotEqual(t, id, got)
		require.Len(t, got, 26)
	}
}

func TestTheAccessLogHasEveryRequestAndNoSecret(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const trace = "0123456789abcdef0123456789abcdef"
	token := s.token(t, auth.User)
	s.send(t, "GET /orders/1?secret=hunter2", "", "Authorization", "Bearer "+token, "X-Request-Id", "r1",
		"Traceparent", "00-"+trace+"-0123456789abcdef-01")
	s.send(t, "GET /orders/unknown", "", "Authorization", "Bearer "+token)
	s.send(t, "GET /orders/panic", "", "Authorization", "Bearer "+token)
	s.send(t, "GET /orders/unavailable", "", "Authorization", "Bearer "+token)
	s.send(t, "GET /health", "")
	s.send(t, signin, "username=ann&password=hunter2", "Content-Type", form)

	require.NotContains(t, s.log.String(), "hunter2")
	require.NotContains(t, s.log.String(), token)
	lines := s.logged(t)
	require.Len(t, lines, 6)
	require.Subset(t, lines[0], map[string]any{
		"level": "INFO", "method": "GET", "path": "/orders/1", "status": 422.0, "request_id": "r1", "trace_id": trace,
	})
	require.Subset(t, lines[1], map[string]any{"level": "ERROR", "status": 500.0, "error": "the disk is on fire"})
	require.NotEmpty(t, lines[1]["request_id"])
	require.Subset(t, lines[2], map[string]any{"level": "ERROR", "error": "panic: index out of range"})
	require.Contains(t, lines[2]["stack"], "helpers_test.go")
	require.Subset(t, lines[3], map[string]any{"level": "INFO", "status": 503.0, "error": "the disk is on fire"})
	require.Equal(t, "DEBUG", lines[4]["level"])
}

// Who searches the log for the id of an order finds the request that placed it.
func TestTheAccessLogNamesWhatWasCreated(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.api.Handle("POST /parcels", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/parcels/p1?key=hunter2")
		w.WriteHeader(http.StatusCreated)
	}))
	s.api.Handle("POST /moved", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/parcels/p2")
		w.WriteHeader(http.StatusSeeOther)
	}))
	s.send(t, "POST /parcels", "")
	s.send(t, "POST /moved", "")
	lines := s.logged(t)
	require.Equal(t, "/parcels/p1", lines[0]["location"])
	require.NotContains(t, lines[1], "location")
}

func TestTheAccessLogNamesClientUserAndOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trust         bool
		forwardedFor  string
		client        string
		role          auth.Role
		request, code string
	}{
		"a customer":                     {true, "192.0.2.7", "192.0.2.7", auth.User, "GET /orders/1", ""},
		"an error":                       {true, "192.0.2.7", "192.0.2.7", auth.User, "GET /orders/conflict", "order_shipped"},
		"a role that is missing":         {true, "192.0.2.7", "192.0.2.7", auth.User, "DELETE /orders/1", "role_required"},
		"an address that a client made":  {true, "203.0.113.9, 2001:db8::1", "2001:db8::1", auth.User, "GET /orders/1", ""},
		"a header that is no address":    {true, "mallory", "198.51.100.1", auth.User, "GET /orders/1", ""},
		"a header that is not trusted":   {false, "192.0.2.7", "198.51.100.1", auth.User, "GET /orders/1", ""},
		"nobody":                         {true, "192.0.2.7", "192.0.2.7", "", "GET /orders/1", "token_missing"},
		"somebody in a public operation": {true, "192.0.2.7", "192.0.2.7", auth.User, "POST /orders", "malformed_body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShopThat(t, func(config *httpapi.Config) { config.TrustForwardedFor = c.trust })
			headers := []string{"X-Forwarded-For", c.forwardedFor}
			if c.role != "" {
				headers = append(headers, "Authorization", "Bearer "+s.token(t, c.role))
			}
			s.remote = "198.51.100.1:4711"
			s.send(t, c.request, "", headers...)
			line := s.logged(t)[0]
			require.Equal(t, c.client, line["client"])
			if c.role == "" {
				require.NotContains(t, line, "user")
			} else {
				require.Equal(t, "u1", line["user"])
			}
			if c.code == "" {
				require.NotContains(t, line, "code")
			} else {
				require.Equal(t, c.code, line["code"])
			}
		})
	}
}

func TestRequestsOfOperatorsAreLoggedAtDebug(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, path := range []string{"/metrics", "/readyz", "/openapi.json", "/docs", "/docs/docs.js"} {
		s.send(t, "GET "+path, "")
		lines := s.logged(t)
		require.Subset(t, lines[len(lines)-1], map[string]any{"level": "DEBUG", "path": path})
	}
}

func TestMetricsAreLabeledByRouteNotByPath(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	bearer := []string{"Authorization", "Bearer " + s.token(t, auth.User)}
	s.send(t, "GET /orders/1", "", bearer...)
	s.send(t, "GET /orders/2", "", bearer...)
	s.send(t, "GET /orders/conflict", "", bearer...)
	s.send(t, "BREW /coffee", "")

	metrics := s.send(t, "GET /metrics", "").Body.String()
	for _, line := range []string{
		`troupe_http_request_duration_seconds_count{method="GET",route="/orders/{id}",service="orders",status="200"} 2`,
		`troupe_http_request_duration_seconds_count{method="GET",route="/orders/{id}",service="orders",status="409"} 1`,
		`troupe_http_request_duration_seconds_count{method="_OTHER",route="",service="orders",status="404"} 1`,
	} {
		require.Contains(t, metrics, line)
	}
	require.NotContains(t, metrics, "coffee")
}

func TestAPanicInAResponseAbortsTheConnection(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	server := httptest.NewServer(s.handler)
	answer, err := http.Get(server.URL + "/stream")
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		require.NoError(t, answer.Body.Close())
	}
	require.Error(t, err)
	server.Close() // waits until the request is logged
	require.Contains(t, s.log.String(), "in the middle")
}

func TestRawRequestsGetTheRightStatus(t *testing.T) {
	t.Parallel()
	const head = "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct{ sent, status string }{
		"a bad chunk":            {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"},
		"a chunk too short":      {head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n0\r\n\r\n", "400 Bad Request"},
		"a length of 2 MiB":      {head + "Content-Length: 2097152\r\n\r\n", "413 Request Entity Too Large"},
		"expecting a continue":   {head + "Expect: 100-continue\r\nContent-Length: 2097152\r\n\r\n", "413 Request Entity Too Large"},
		"two content types":      {head + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", "415 Unsupported Media Type"},
		"a path with a null":     {"GET /orders/%00 HTTP/1.1\r\nHost: x\r\n\r\n", "401 Unauthorized"},
		"a path that is no text": {"GET /health/%ff HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"},
		"an asterisk":            {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"},
		"a tunnel":               {"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "405 Method Not Allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(newShop(t).handler)
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			_, err = io.WriteString(conn, c.sent)
			require.NoError(t, err)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, c.status, answer.Status)
		})
	}
}

func TestABodyThatEndsEarlyIsA400(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	server := httptest.NewServer(s.handler)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"+`{"items":[]}`)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	require.NoError(t, conn.Close())
	server.Close()
	require.Contains(t, s.log.String(), `"status":400`)
}
