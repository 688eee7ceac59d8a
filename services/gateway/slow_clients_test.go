package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// hold sends the beginning of a request on a connection of its own, which stays open
// until the end of the test.
func (w *gatewayTest) hold(t *testing.T, raw string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, raw)
	require.NoError(t, err)
	return conn
}

// postFrom returns the head of an order from a client's address, behind a proxy.
func (w *gatewayTest) postFrom(t *testing.T, address string) string {
	t.Helper()
	return "POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.token(t, auth.User) + "\r\nX-Forwarded-For: " + address + "\r\n"
}

var behindAProxy = map[string]string{"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"}

func TestHundredsOfSlowBodiesTakeNoServiceFromOthers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"small":             "Content-Length: 50\r\n\r\n{",
		"chunked":           "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"large":             "Content-Length: 200000\r\n\r\n{",
		"large and chunked": "Transfer-Encoding: chunked\r\n\r\n186a0\r\n" + strings.Repeat("x", 100_000),
		"on request":        "Content-Length: 50\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, behindAProxy)
			post := w.postFrom(t, "ADDRESS") + body
			for i := range 300 {
				w.hold(t, strings.Replace(post, "ADDRESS", fmt.Sprintf("192.0.2.%d", i/50), 1))
			}
			require.Eventually(t, func() bool { return w.bodiesArriving(t) >= 64 }, 5*time.Second, 5*time.Millisecond)
			for range 20 {
				w.call(t, auth.User, "GET", "/orders", "").received(t)
				w.call(t, auth.User, "POST", "/orders", `{"a":1}`).received(t)
			}
		})
	}
}

func (w *gatewayTest) bodiesArriving(t *testing.T) (n int) {
	t.Helper()
	_, err := fmt.Sscan(w.metric(t, "troupe_gateway_bodies_arriving"), &n)
	require.NoError(t, err)
	return n
}

func TestAnAddressMayHaveOnlySoManyBodiesArriving(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{
		"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8", "GATEWAY_BODIES": "6", "GATEWAY_BODIES_PER_ADDRESS": "4",
	})
	var held []net.Conn
	for range 4 {
		held = append(held, w.hold(t, w.postFrom(t, "192.0.2.1")+"Content-Length: 50\r\n\r\n{"))
	}
	require.Eventually(t, func() bool { return w.bodiesArriving(t) == 4 }, 5*time.Second, 5*time.Millisecond)
	w.call(t, auth.User, "POST", "/orders", "{}", "X-Forwarded-For", "192.0.2.1").problem(t, 429, "too_many_bodies")
	w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-For", "192.0.2.1").received(t)
	w.call(t, auth.User, "POST", "/orders", "{}", "X-Forwarded-For", "192.0.2.2").received(t)

	w.hold(t, w.postFrom(t, "192.0.2.3")+"Content-Length: 50\r\n\r\n{")
	w.hold(t, w.postFrom(t, "192.0.2.3")+"Content-Length: 50\r\n\r\n{")
	require.Eventually(t, func() bool { return w.bodiesArriving(t) == 6 }, 5*time.Second, 5*time.Millisecond)
	w.call(t, auth.User, "POST", "/orders", "{}", "X-Forwarded-For", "192.0.2.2").problem(t, 503, "overloaded")

	_, err := io.WriteString(held[0], strings.Repeat(" ", 48)+"}")
	require.NoError(t, err)
	require.Equal(t, 200, readResponse(t, bufio.NewReader(held[0])).StatusCode, "the body has come late but completely")
	for _, conn := range held[1:] {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return w.bodiesArriving(t) == 2 }, 5*time.Second, 5*time.Millisecond)
	w.call(t, auth.User, "POST", "/orders", "{}", "X-Forwarded-For", "192.0.2.1").received(t)
}

// A server that answered only after the withheld body had come would be held by it.
func TestARefusedBodyIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_BODIES_PER_ADDRESS": "1"})
	w.hold(t, w.postFrom(t, "-")+"Content-Length: 50\r\n\r\n{")
	require.Eventually(t, func() bool { return w.bodiesArriving(t) == 1 }, 5*time.Second, 5*time.Millisecond)
	for request, status := range map[string]int{
		w.postFrom(t, "-") + "Content-Length: 50\r\n\r\n{":                            429,
		w.postFrom(t, "-") + "Content-Length: 2000000\r\n\r\n{":                       413,
		"GET /products HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n":             400,
		"HEAD /products HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n":            400,
		"GET /products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n":     400,
		"POST /orders/../x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
	} {
		got, body := w.sendRaw(t, request)
		require.Equal(t, status, got, "%s: %s", request, body)
	}
	require.Zero(t, w.services["inventory"].calls.Load())
}

func TestAClientThatTakesItsResponseSlowlyOccupiesNoSlot(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_IN_FLIGHT": "1"})
	done := make(chan struct{})
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "the beginning")
		_ = http.NewResponseController(rw).Flush()
		<-done
	})
	defer close(done)
	for range 5 {
		res := w.open(t, "GET", "/orders")
		require.Equal(t, 200, res.StatusCode)
	}
}

func TestTheServiceLearnsHowLongTheGatewayWaits(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_TRY_TIMEOUT": "4s", "GATEWAY_TIMEOUT": "6s"})
	var waits []string
	w.services["orders"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		waits = append(waits, r.Header.Get("X-Request-Timeout-Ms"))
		if len(waits) == 1 {
			rw.WriteHeader(503)
		}
	})
	w.call(t, auth.User, "GET", "/orders", "", "X-Request-Timeout-Ms", "3600000")
	w.call(t, auth.User, "POST", "/orders", strings.Repeat("x", 100_000), "X-Request-Timeout-Ms", "3600000")
	require.Len(t, waits, 3)
	for _, wait := range waits[:2] {
		require.Regexp(t, "^(4000|3[0-9]{3})$", wait, "an attempt at most, whatever the client says")
	}
	require.Empty(t, waits[2], "a streamed body restarts the wait")
}
