package h1_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a server sends after a response must not become the answer to another request.
func TestAResponseThatWasNotAskedForIsNotUsed(t *testing.T) {
	t.Parallel()
	url, connections := rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "")
	c := newClient(t)
	require.Equal(t, "ok", call(t, c, "GET", url).Body)
	require.Equal(t, "ok", call(t, c, "GET", url).Body)
	require.EqualValues(t, 2, connections.Load())
}

// The same while the connection waits for the next request, when it is in no buffer of ours yet.
func TestAResponseThatArrivesBetweenRequestsIsNotUsed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows the client does not look into the socket: see open_other.go")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan net.Conn, 2)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for range 2 {
			server, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- server
			r, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				return
			}
			_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	c, url := newClient(t), "http://"+l.Addr().String()
	require.Equal(t, "ok", call(t, c, "GET", url).Body)
	first := <-accepted
	defer first.Close()
	_, err = io.WriteString(first, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
	require.NoError(t, err)
	require.Equal(t, "ok", call(t, c, "GET", url).Body)
	require.NoError(t, (<-accepted).Close(), "it is a second connection")
}

func TestAConnectionIsKeptForTheNextRequest(t *testing.T) {
	t.Parallel()
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	url, connections := rawServer(t, ok, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ok)
	c := newClient(t)
	for range 3 {
		require.Equal(t, 200, call(t, c, "GET", url).Status)
	}
	require.EqualValues(t, 1, connections.Load())
	require.Equal(t, 200, call(t, c, "GET", url).Status, "the server has closed the first connection meanwhile")
	require.EqualValues(t, 2, connections.Load())
}

// The server reads the second request and closes the connection without a response.
func TestOnlyWhatMayBeRepeatedIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, key string
		failed      bool
	}{{"GET", "", false}, {"DELETE", "", true}, {"POST", "", true}, {"POST", "order-1", false}} {
		t.Run(c.method+c.key, func(t *testing.T) {
			t.Parallel()
			url, connections := rawServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "")
			client := newClient(t)
			require.Equal(t, "ok", call(t, client, "GET", url).Body)
			r, err := http.NewRequestWithContext(t.Context(), c.method, url, strings.NewReader("body"))
			require.NoError(t, err)
			if c.key != "" {
				r.Header.Set("Idempotency-Key", c.key)
			}
			res, err := client.RoundTrip(r)
			if c.failed {
				require.Error(t, err)
				require.EqualValues(t, 1, connections.Load())
				return
			}
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.EqualValues(t, 2, connections.Load())
		})
	}
}
