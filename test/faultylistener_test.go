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

// faultyNetwork opens the ports that the services listen on. At each of them
// requests can be rejected, as by a replica that is about to stop.
type faultyNetwork struct {
	mu     sync.Mutex
	reject map[string]int // how many requests are still to be rejected, by port
}

// rejectNext has the replicas of a service reject the next requests, so many in all.
func (s *system) rejectNext(t *testing.T, service string, requests int) {
	t.Helper()
	at, err := url.Parse(s.URL(service))
	require.NoError(t, err)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.reject = map[string]int{at.Port(): requests}
}

func (f *faultyNetwork) listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	return faultyListener{l, f}, err
}

// rejectsNext reports whether the next request at an address is to be rejected.
func (f *faultyNetwork) rejectsNext(at net.Addr) bool {
	_, port, err := net.SplitHostPort(at.String())
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || f.reject[port] == 0 {
		return false
	}
	f.reject[port]--
	return true
}

type faultyListener struct {
	net.Listener
	faults *faultyNetwork
}

func (l faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return faultyConn{c, l.faults}, nil
}

type faultyConn struct {
	net.Conn
	faults *faultyNetwork
}

// Read reads a request, or rejects it. A small request arrives as a whole.
func (c faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 || !c.faults.rejectsNext(c.LocalAddr()) {
		return n, err
	}
	_, _ = io.WriteString(c.Conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	return 0, io.EOF // the caller sees the answer; the service only sees that the caller is gone
}
