package test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// impatientServer answers every request, and closes a connection on which no other one has
// arrived for a time, as gunicorn does after 2 s and Node after 5 s. It counts connections.
func impatientServer(t *testing.T, patience time.Duration) (url string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	connections = &atomic.Int64{}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			all.Go(func() { serveImpatiently(conn, patience) })
		}
	})
	t.Cleanup(func() { require.NoError(t, l.Close()); all.Wait() })
	return "http://" + l.Addr().String(), connections
}

func serveImpatiently(conn net.Conn, patience time.Duration) {
	defer conn.Close()
	// The first request may be late: a machine with other work takes its time to write it.
	_ = conn.SetReadDeadline(time.Now().Add(timeout)) // the read reports the end
	for in := bufio.NewReader(conn); ; _ = conn.SetReadDeadline(time.Now().Add(patience)) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil || r.Close {
			return
		}
	}
}

// caddyserver/caddy#6452, sozu-proxy/sozu#1442, h2o/h2o#281: a POST without a key must not
// meet a connection that its upstream is closing.
func TestAConnectionThatTheUpstreamIsAboutToCloseIsNotUsed(t *testing.T) {
	t.Parallel()
	atOnce, fresh := impatientServer(t, 3*time.Millisecond)
	later, kept := impatientServer(t, 2*time.Second)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("extends: default\nroutes:\n"+
		"  - {path: /at-once, upstream: at-once, access: public}\n"+
		"  - {path: /later, upstream: later, access: public}\n"+
		"upstreams:\n  at-once: {targets: ['"+atOnce+"'], keep_alive: 0s}\n  later: {targets: ['"+later+"'], keep_alive: 500ms}\n"), 0o600))
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: []string{"GATEWAY_CONFIG=" + file}})
	post := func(path string) {
		t.Helper()
		response, err := http.Post(s.URL("gateway")+path, "text/plain", strings.NewReader("x"))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 200, response.StatusCode)
	}
	const posts = 200
	for i := range posts {
		post("/at-once")
		<-time.After(time.Duration(i%5) * time.Millisecond) // the upstream closes in between
	}
	require.EqualValues(t, posts, fresh.Load())

	for range 10 {
		post("/later")
	}
	require.Less(t, kept.Load(), int64(5), "a connection is kept while the upstream keeps it")
	for pause := 1900 * time.Millisecond; pause < 2100*time.Millisecond; pause += 50 * time.Millisecond {
		before := kept.Load()
		<-time.After(pause)
		post("/later")
		require.EqualValues(t, before+1, kept.Load())
	}
}
