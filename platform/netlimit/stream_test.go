package netlimit_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"troupe/platform/netlimit"
)

// startHTTP2 serves h by HTTP/2 without TLS to clients that may pause for as long as given.
func startHTTP2(t *testing.T, grace time.Duration, h http.HandlerFunc) (address string) {
	t.Helper()
	limiter := netlimit.New(netlimit.Config{
		Connections: 10, ConnectionsPerClient: 10, MinRate: 1 << 20, Grace: grace, Drain: drain,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: limiter.Handler(h), ConnContext: netlimit.ConnContext, ReadHeaderTimeout: time.Second, Protocols: &http.Protocols{}}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(limiter.Listener(listener)) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// requestWithoutWindow sends GET / and never permits the server to send a byte of the body.
func requestWithoutWindow(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", "/"}} {
		require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}))
	go func() {
		for { // a client that is alive answers what the server asks
			if frame, err := framer.ReadFrame(); err != nil {
				return
			} else if ping, ok := frame.(*http2.PingFrame); ok {
				_ = framer.WritePing(true, ping.Data)
			}
		}
	}()
}

func TestAStreamWhoseWindowStaysShutDoesNotHoldItsHandler(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	address := startHTTP2(t, 50*time.Millisecond, func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 64<<10))
		ended <- err
	})
	requestWithoutWindow(t, address)
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "the handler is held")
	}
}
