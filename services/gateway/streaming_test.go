package gateway_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

func (w *gatewayTest) open(t *testing.T, method, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token(t, auth.User))
	res, err := w.client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestEventsArriveOneByOne(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	next, gone := make(chan string), make(chan struct{})
	w.services["notifications"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		defer close(gone)
		rw.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(rw).Flush()
		for {
			select {
			case event := <-next:
				_, _ = fmt.Fprintf(rw, "data: %s\n\n", event)
				_ = http.NewResponseController(rw).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	res := w.open(t, "GET", "/notifications") // the headers arrive before any event
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewReader(res.Body)
	for _, event := range []string{"one", "two", "three"} {
		next <- event // the next event is sent only after this one was read
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "data: "+event+"\n", line)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	require.NoError(t, res.Body.Close())
	<-gone // the service notices that the client has gone
}

func TestALargeResponseNeedsLittleMemory(t *testing.T) { //nolint:paralleltest // it counts what the whole process allocates
	w := start(t, nil)
	const size = 50 << 20
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(rw, zeros{}, size)
	})
	before := allocated()
	res := w.open(t, "GET", "/orders")
	n, err := io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.Less(t, allocated()-before, uint64(size/2), "allocated meanwhile")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestResponsesAreForwardedUnchanged(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, strings.Repeat("hello ", 100))
	require.NoError(t, z.Close())
	orders := w.services["orders"]

	orders.setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Add("Set-Cookie", "a=1")
		rw.Header().Add("Set-Cookie", "b=2")
		rw.Header().Set("Content-Encoding", "gzip")
		rw.Header().Set("Connection", "X-Hop")
		rw.Header().Set("X-Hop", "1")
		rw.Header().Set("Location", "/orders/1")
		rw.WriteHeader(201)
		_, _ = rw.Write(zipped.Bytes())
	})
	r := w.call(t, auth.User, "POST", "/orders", "{}")
	require.Equal(t, 201, r.StatusCode)
	require.Equal(t, []string{"a=1", "b=2"}, r.Header["Set-Cookie"])
	require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
	require.Equal(t, "/orders/1", r.Header.Get("Location"))
	require.NotContains(t, r.Header, "X-Hop")
	require.Equal(t, zipped.Bytes(), r.body)
	require.EqualValues(t, zipped.Len(), r.ContentLength)

	orders.setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "a")
		_ = http.NewResponseController(rw).Flush()
		_, _ = io.WriteString(rw, "b")
	})
	r = w.call(t, auth.User, "GET", "/orders", "")
	require.Equal(t, []string{"chunked"}, r.TransferEncoding)
	require.Equal(t, "ab", string(r.body))

	orders.setHandler(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "1234") })
	r = w.call(t, auth.User, "HEAD", "/orders", "")
	require.EqualValues(t, 1234, r.ContentLength)
	require.Empty(t, r.body)

	for _, status := range []int{204, 304, 302, 418} {
		orders.setHandler(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "http://elsewhere/")
			rw.WriteHeader(status)
		})
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+"/orders", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+w.token(t, auth.User))
		res, err := w.client.Transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, status, res.StatusCode, "redirects are for the client to follow")
	}
}

func TestTrailersAreForwarded(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(rw, "body")
		rw.Header().Set("X-Sum", "42")
		rw.Header().Set(http.TrailerPrefix+"X-Late", "43")
	})
	res := w.open(t, "GET", "/orders")
	require.Contains(t, res.Trailer, "X-Sum", "announced")
	_, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "42", res.Trailer.Get("X-Sum"))
	require.Equal(t, "43", res.Trailer.Get("X-Late"))
}

// A client that expects 100 Continue receives the answer of the service, not of the
// gateway.
func TestTheServiceDecidesWhetherABodyIsSent(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	ask := "POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.token(t, auth.User) +
		"\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(409) })
	status, _ := w.sendRaw(t, ask)
	require.Equal(t, 409, status, "without the body, and with no 100 before it")

	w.services["orders"].setHandler(echo("orders"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, ask)
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	res, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, 100, res.StatusCode)
	_, err = io.WriteString(conn, "hello")
	require.NoError(t, err)
	require.Equal(t, "hello", readResponse(t, answers).received(t).Body)
}

func TestAResponseMayArriveBeforeTheBodyIsSent(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(422) })
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.token(t, auth.User)+
		"\r\nContent-Length: 900000\r\n\r\n"+strings.Repeat("x", 300_000))
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 422, res.StatusCode)
	require.Equal(t, "0", w.tries(t, "orders", "failure"))
}

func TestBodiesOfEverySizeArriveComplete(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, size := range []int{0, 1, 65535, 65536, 65537, 1 << 20} {
		body := strings.Repeat("x", size)
		require.Equal(t, body, w.call(t, auth.User, "POST", "/orders", body).received(t).Body, size)
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+"/orders", io.NopCloser(strings.NewReader(body)))
		require.NoError(t, err)
		req.ContentLength = -1
		req.Header.Set("Authorization", "Bearer "+w.token(t, auth.User))
		res, err := w.client.Do(req)
		require.NoError(t, err)
		answer, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, body, response{res, answer}.received(t).Body, size)
	}
}
