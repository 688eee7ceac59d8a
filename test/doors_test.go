package test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// doors are the ports that the services listen on. At each, requests can be turned
// away as by a replica that is about to go.
type doors struct {
	mu   sync.Mutex
	away map[string]int // how many are still to be turned away, by port
}

// turnAway has a service, whichever replica of it, turn away the next requests.
func (s *system) turnAway(t *testing.T, service string, requests int) {
	t.Helper()
	at, err := url.Parse(s.url(service))
	require.NoError(t, err)
	s.doors.mu.Lock()
	defer s.doors.mu.Unlock()
	s.doors.away = map[string]int{at.Port(): requests}
}

func (d *doors) listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	return door{l, d}, err
}

// next says whether the next request at a port is to be turned away.
func (d *doors) next(at net.Addr) bool {
	_, port, err := net.SplitHostPort(at.String())
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || d.away[port] == 0 {
		return false
	}
	d.away[port]--
	return true
}

type door struct {
	net.Listener
	*doors
}

func (d door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return visitor{c, d.doors}, nil
}

type visitor struct {
	net.Conn
	*doors
}

// Read reads what comes: a small request comes whole.
func (v visitor) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	if n == 0 || !v.next(v.LocalAddr()) {
		return n, err
	}
	_, _ = io.WriteString(v.Conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	return 0, io.EOF // whoever asked sees the answer, and the service only that it is gone
}
