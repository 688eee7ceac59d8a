package h1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"troupe/platform/h1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext: (&net.Dialer{}).DialContext, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 4 << 10, DisableCompression: true,
	}
}

// newClient returns a client that uses http.Transport only to dial.
func newClient(t *testing.T) *h1.Client {
	t.Helper()
	c := &h1.Client{Other: newTransport()}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// rawServer answers every request on a connection with the next of the given bytes, and
// closes the connection after the last. It counts connections.
func rawServer(t *testing.T, answers ...string) (url string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	connections = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			serveRaw(c, answers)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String(), connections
}

func serveRaw(c net.Conn, answers []string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for _, answer := range answers {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(c, answer)
	}
}

// outcome is what a caller sees of an exchange.
type outcome struct {
	Failed        bool
	Status        int
	Header        http.Header
	Trailer       http.Header
	Body          string
	BodyFailed    bool
	ContentLength int64
	Close         bool
}

func call(t *testing.T, client http.RoundTripper, method, url string) outcome {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+"/a?b=c", nil)
	require.NoError(t, err)
	res, err := client.RoundTrip(r)
	if err != nil {
		return outcome{Failed: true}
	}
	body, err := io.ReadAll(res.Body)
	require.NoError(t, res.Body.Close())
	return outcome{false, res.StatusCode, res.Header, res.Trailer, string(body), err != nil, res.ContentLength, res.Close}
}

// The standard library is the oracle: whatever a server sends, the caller sees the same.
func TestResponsesAreThoseOfTheStandardClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ method, answer string }{
		"a body of known length":      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello"},
		"no body":                     {"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		"an empty body":               {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		"chunks":                      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"},
		"chunks with a trailer":       {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"},
		"a body that ends by closing": {"GET", "HTTP/1.1 200 OK\r\n\r\nall of it"},
		"HTTP/1.0":                    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		"HEAD with a length":          {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
		"304 with a length":           {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"},
		"early hints":                 {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		"two informational responses": {"GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		"a connection that ends":      {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
		"a short body":                {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"},
		"a broken chunk":              {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"},
		"chunks that break off":       {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"},
		"nothing":                     {"GET", ""},
		"no HTTP":                     {"GET", "SSH-2.0-OpenSSH\r\n\r\n"},
		"half a header":               {"GET", "HTTP/1.1 200 OK\r\nContent-Le"},
		"two lengths that differ":     {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
		"a length and chunks":         {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"},
		"headers without end":         {"GET", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 90)+"\r\n", 100) + "\r\n"},
		"more than was asked for":     {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := rawServer(t, c.answer)
			want := newTransport()
			defer want.CloseIdleConnections()
			require.Equal(t, call(t, want, c.method, url), call(t, newClient(t), c.method, url))
		})
	}
}

// net/http's server panics when a handler passes such a status on.
func TestAnImpossibleStatusIsAnError(t *testing.T) {
	t.Parallel()
	url, _ := rawServer(t, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")
	require.True(t, call(t, newClient(t), "GET", url).Failed)
}

func TestTheServerReceivesTheRequestAsItIs(t *testing.T) {
	t.Parallel()
	type request struct {
		line, host, body string
		header           http.Header
	}
	received := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- request{r.Method + " " + r.RequestURI, r.Host, string(body), r.Header}
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/a%2Fb?c=%20;d", strings.NewReader("hello"))
	require.NoError(t, err)
	r.Host = "shop.example"
	r.Header = http.Header{"X-A": {"1", "2"}, "Connection": {"X-A"}, "Content-Length": {"99"}, "Host": {"other"}}
	res, err := newClient(t).RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, request{"POST /a%2Fb?c=%20;d", "shop.example", "hello", http.Header{"X-A": {"1", "2"}, "Content-Length": {"5"}}}, <-received)
}

func TestAHeaderThatWouldEndTheHeadersIsRefused(t *testing.T) {
	t.Parallel()
	url, _ := rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	for name, value := range map[string]string{"X-A": "1\r\nX-B: 2", "X-A\r\nX-B": "1", "X A": "1", "X-N": "a\x00b"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		require.NoError(t, err)
		r.Header[name] = []string{value}
		_, err = newClient(t).RoundTrip(r)
		require.ErrorContains(t, err, "is not valid")
	}
}

// Long and streamed bodies, other protocols and waits are left to http.Transport.
func TestOtherRequestsAreLeftToTheStandardClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, r.TransferEncoding)
	}))
	defer server.Close()
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", h1.LongestBody+1)), io.MultiReader(strings.NewReader("stream"))} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, body)
		require.NoError(t, err)
		res, err := newClient(t).RoundTrip(r)
		require.NoError(t, err)
		got, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Contains(t, []string{"16385 []", "6 [chunked]"}, string(got))
	}
}

func TestACancelledRequestEndsAtOnce(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
		}
		<-silent
	}))
	defer server.Close()
	defer close(silent)
	for _, path := range []string{"/head", "/body"} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+path, nil)
		require.NoError(t, err)
		time.AfterFunc(10*time.Millisecond, cancel)
		res, err := newClient(t).RoundTrip(r)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			require.NoError(t, res.Body.Close())
		}
		require.Error(t, err, path)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	}
}

// pipe is a server of one connection after another, without a network, so that time can
// stand still.
type pipe struct{ dialed int }

func (p *pipe) dial(context.Context, string, string) (net.Conn, error) {
	p.dialed++
	client, server := net.Pipe()
	go serveRaw(server, []string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"})
	return client, nil
}

func TestAConnectionThatWasIdleForTooLongIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pipe
		transport := newTransport()
		transport.DialContext = p.dial
		c := &h1.Client{Other: transport}
		defer c.CloseIdleConnections()
		require.Equal(t, 200, call(t, c, "GET", "http://orders").Status)
		<-time.After(transport.IdleConnTimeout + 1) // of the test, which has a clock of its own
		require.Equal(t, 200, call(t, c, "GET", "http://orders").Status)
		require.Equal(t, 2, p.dialed)
	})
}

func TestAnErrorOfTheDialIsReturned(t *testing.T) {
	t.Parallel()
	transport := newTransport()
	refused := errors.New("refused")
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://orders", nil)
	require.NoError(t, err)
	_, err = (&h1.Client{Other: transport}).RoundTrip(r)
	require.ErrorIs(t, err, refused)
}
