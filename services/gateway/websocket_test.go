package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

const streamRoutes = `
routes:
  - {path: /socket, methods: [GET], upstream: notifications, access: public, stream: true}
  - {path: /private, methods: [GET], upstream: notifications, access: authenticated, stream: true}
  - {path: /plain, methods: [GET], upstream: notifications, access: public}
`

// startStreams runs a gateway with routes that allow streams.
func startStreams(t *testing.T, environ map[string]string) *gatewayTest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte(streamRoutes), 0o600))
	settings := map[string]string{"GATEWAY_CONFIG": file}
	maps.Copy(settings, environ)
	return start(t, settings)
}

// echoSocket is a service that returns every message, until the client closes.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)
	for {
		kind, message, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		if conn.Write(context.Background(), kind, message) != nil {
			return
		}
	}
}

// raw is a connection on which a test writes the bytes of a WebSocket itself.
type raw struct {
	*net.TCPConn
	in *bufio.Reader
}

// handshake opens a WebSocket and returns the response to the handshake. With more, bytes
// follow the handshake at once.
func handshake(t *testing.T, url, path, more string, headers ...string) (raw, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+strings.Join(append(headers, ""), "\r\n")+"\r\n"+more)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	return raw{conn.(*net.TCPConn), in}, res
}

// frame returns a frame as a client sends it: masked.
func frame(first byte, payload []byte) []byte {
	head := []byte{first}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	mask := []byte{1, 2, 3, 4}
	head = append(head, mask...)
	for i, b := range payload {
		head = append(head, b^mask[i%4])
	}
	return head
}

// conversation is what a client sends: messages of every size, one in fragments with a
// ping between them, and a close.
func conversation() []byte {
	large := make([]byte, 70_000)
	_, _ = rand.Read(large)
	return bytes.Join([][]byte{
		frame(0x81, []byte("hello")), frame(0x82, nil), frame(0x82, large), frame(0x82, large[:300]),
		frame(0x01, []byte("frag")), frame(0x89, []byte("ping")), frame(0x80, []byte("ment")),
		frame(0x88, []byte{0x03, 0xe8}),
	}, nil)
}

func TestAWebSocketIsTheSameWithAndWithoutTheGateway(t *testing.T) {
	t.Parallel()
	w := startStreams(t, nil)
	w.services["notifications"].setHandler(echoSocket)
	sent := conversation()
	talk := func(url string) (*http.Response, []byte) {
		conn, res := handshake(t, url, "/socket", "")
		require.Equal(t, 101, res.StatusCode)
		_, err := conn.Write(sent)
		require.NoError(t, err)
		received, err := io.ReadAll(conn.in)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		return res, received
	}
	direct, want := talk(w.services["notifications"].URL)
	through, got := talk(w.URL)
	require.Greater(t, len(want), 70_000)
	require.Equal(t, want, got)
	require.Equal(t, direct.Header.Get("Sec-Websocket-Accept"), through.Header.Get("Sec-Websocket-Accept"))
	require.NotEmpty(t, through.Header.Get("X-Request-Id"))
	require.Eventually(t, func() bool { return w.metric(t, "troupe_gateway_streams") == "0" }, 5*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, w.log.count("status=101"))
}

// Both sides may send before they know that the other is ready.
func TestEarlyBytesOfAWebSocketArrive(t *testing.T) {
	t.Parallel()
	w := startStreams(t, nil)
	got := make(chan string, 1)
	w.services["notifications"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome")
		text := make([]byte, 5)
		_, _ = io.ReadFull(buffered, text)
		got <- string(text)
	})
	conn, res := handshake(t, w.URL, "/socket", "early")
	require.Equal(t, 101, res.StatusCode)
	text, err := io.ReadAll(conn.in)
	require.NoError(t, err)
	require.Equal(t, "welcome", string(text))
	require.Equal(t, "early", <-got)
}

func TestASideThatHasSentEverythingStillReceives(t *testing.T) {
	t.Parallel()
	w := startStreams(t, nil)
	w.services["notifications"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		all, _ := io.ReadAll(buffered)
		_, _ = conn.Write(append([]byte("you sent "), all...))
	})
	conn, _ := handshake(t, w.URL, "/socket", "")
	_, err := io.WriteString(conn, "everything")
	require.NoError(t, err)
	require.NoError(t, conn.CloseWrite())
	text, err := io.ReadAll(conn.in)
	require.NoError(t, err)
	require.Equal(t, "you sent everything", string(text))
}

func TestOnlyStreamRoutesSwitchToAWebSocket(t *testing.T) {
	t.Parallel()
	w := startStreams(t, nil)
	conn, res := handshake(t, w.URL, "/plain", "")
	require.Equal(t, 200, res.StatusCode)
	text := make([]byte, res.ContentLength)
	_, err := io.ReadFull(conn.in, text)
	require.NoError(t, err)
	h := response{res, text}.received(t)
	require.NotContains(t, h.Header, "Upgrade")
	require.NotContains(t, h.Header, "Connection")

	_, res = handshake(t, w.URL, "/private", "")
	require.Equal(t, 401, res.StatusCode, "a token is needed as for any request")
	w.services["notifications"].setHandler(echoSocket)
	_, res = handshake(t, w.URL, "/private", "", "Authorization: Bearer "+w.token(t, auth.User))
	require.Equal(t, 101, res.StatusCode)

	r := w.call(t, "", "GET", "/socket", "", "Connection", "Upgrade", "Upgrade", "h2c")
	require.Equal(t, 426, r.StatusCode, "the service sees no handshake")
	w.services["notifications"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tls/1.3\r\n\r\n")
	})
	_, res = handshake(t, w.URL, "/socket", "")
	require.Equal(t, 502, res.StatusCode, "that was not asked for")
}

func TestAServiceMayRefuseAWebSocket(t *testing.T) {
	t.Parallel()
	w := startStreams(t, nil)
	w.services["notifications"].respondWith(403)
	_, res := handshake(t, w.URL, "/socket", "")
	require.Equal(t, 403, res.StatusCode)
}

// Browsers let every page open a WebSocket to every server.
func TestAPageOfAnotherOriginOpensNoWebSocket(t *testing.T) {
	t.Parallel()
	w := startStreams(t, map[string]string{"GATEWAY_CORS_ORIGINS": "https://app.example"})
	w.services["notifications"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		r.Header.Del("Origin") // the gateway has checked it
		echoSocket(rw, r)
	})
	for origin, status := range map[string]int{"http://attacker.example": 403, "null": 403, "http://shop": 101, "https://app.example": 101} {
		_, res := handshake(t, w.URL, "/socket", "", "Origin: "+origin)
		require.Equal(t, status, res.StatusCode, origin)
	}
}

func TestAnIdleWebSocketEnds(t *testing.T) {
	t.Parallel()
	w := startStreams(t, map[string]string{"GATEWAY_IDLE_TIMEOUT": "50ms"})
	w.services["notifications"].setHandler(echoSocket)
	conn, res := handshake(t, w.URL, "/socket", "")
	require.Equal(t, 101, res.StatusCode)
	_, err := io.ReadAll(conn.in)
	require.NoError(t, err)
}

func TestWebSocketsAreLimitedForEachAddress(t *testing.T) {
	t.Parallel()
	w := startStreams(t, map[string]string{"GATEWAY_STREAMS_PER_ADDRESS": "2"})
	w.services["notifications"].setHandler(echoSocket)
	first, res := handshake(t, w.URL, "/socket", "")
	require.Equal(t, 101, res.StatusCode)
	_, res = handshake(t, w.URL, "/socket", "")
	require.Equal(t, 101, res.StatusCode)
	_, res = handshake(t, w.URL, "/socket", "")
	require.Equal(t, 503, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Equal(t, "2", w.metric(t, "troupe_gateway_streams"))
	require.Equal(t, "0", w.metric(t, `troupe_gateway_upstream_requests_in_flight{upstream="notifications"}`), "they take no slot of requests")
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		_, res := handshake(t, w.URL, "/socket", "")
		return res.StatusCode == 101
	}, 5*time.Second, 5*time.Millisecond)
}
