package netlimit_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/netlimit"
)

// countingListener counts the deadlines that are set on its connections.
type countingListener struct {
	net.Listener
	deadlines atomic.Int64
}

type countingConn struct {
	net.Conn
	deadlines *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, &l.deadlines}, err
}

func (c countingConn) SetWriteDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

// The server sets a write deadline for every request. Only those that a write needs cost
// something.
func TestDeadlinesOfWritesAreOnlySetForWrites(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	counted := &countingListener{Listener: inner}
	limiter := netlimit.New(netlimit.Config{
		Connections: 5, ConnectionsPerClient: 5, MinRate: 1, Grace: time.Hour, Drain: time.Minute,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	server := &http.Server{
		ReadHeaderTimeout: time.Minute, ConnContext: netlimit.ConnContext,
		Handler: limiter.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })),
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(limiter.Listener(counted)) }()
	defer func() { require.NoError(t, server.Close()); <-served }()
	client, err := net.Dial("tcp", inner.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	answers := bufio.NewReader(client)
	for range 100 {
		_, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
		require.NoError(t, err)
		res, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	require.Less(t, counted.deadlines.Load(), int64(5), "for 100 answers")
}
