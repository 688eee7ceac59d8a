package rabbittest

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proxy is a TCP proxy between a bus and its server that can fail as a network does.
type Proxy struct {
	URL string // of the server, through the proxy

	address, target string
	mu              sync.Mutex
	listener        net.Listener
	up              *gate // from the bus to the server
	connections     map[*connection]struct{}
	wait            sync.WaitGroup
}

// connection is a pair of TCP connections: from the bus to the proxy, and from there
// to the server.
type connection struct{ inside, outside net.Conn }

func (p *connection) close() {
	_ = p.inside.Close() // the connection ends either way
	_ = p.outside.Close()
}

// NewProxy starts a proxy to the server of this URL. The proxy stops with the test.
func NewProxy(t testing.TB, raw string) *Proxy {
	t.Helper()
	p := &Proxy{address: "127.0.0.1:0", up: newGate(), connections: map[*connection]struct{}{}}
	At(t, raw, func(u *url.URL) { p.target = u.Host })
	p.Restore(t)
	p.URL = At(t, raw, func(u *url.URL) { u.Host = p.address })
	t.Cleanup(p.Down)
	return p
}

// Restore accepts connections again, after Down.
func (p *Proxy) Restore(t testing.TB) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.address)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.address = listener, listener.Addr().String()
	p.wait.Go(func() { p.accept(listener) })
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		inside, err := listener.Accept()
		if err != nil {
			return
		}
		outside, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			_ = inside.Close() // as if the server had refused
			continue
		}
		p.join(&connection{inside, outside})
	}
}

func (p *Proxy) join(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		c.close()
		return
	}
	p.connections[c] = struct{}{}
	up := p.up
	var both sync.WaitGroup
	both.Go(func() { defer c.close(); up.copy(c.outside, c.inside) })
	both.Go(func() { defer c.close(); _, _ = io.Copy(c.inside, c.outside) })
	p.wait.Go(func() {
		both.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.connections, c)
	})
}

// Cut closes all connections and accepts new ones.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.connections {
		c.close()
	}
}

// Down closes all connections and refuses new ones.
func (p *Proxy) Down() {
	p.Resume()
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close() // the connection ends either way
		p.listener = nil
	}
	for c := range p.connections {
		c.close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

// Stall holds back everything that is sent to the server, as if the server had stopped
// reading. What the server sends, heartbeats too, still arrives.
func (p *Proxy) Stall() { p.up.shut() }

// Resume ends a Stall and sends what was held back.
func (p *Proxy) Resume() { p.up.open() }

// Connections returns how many connections are open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.connections)
}

// gate holds back a copy while it is shut.
type gate struct {
	mu   sync.Mutex
	free chan struct{} // closed while the gate is open
}

func newGate() *gate {
	g := &gate{free: make(chan struct{})}
	close(g.free)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.free:
	default:
		close(g.free)
	}
}

func (g *gate) copy(to io.Writer, from io.Reader) {
	part := make([]byte, 32<<10)
	for {
		n, err := from.Read(part)
		g.mu.Lock()
		free := g.free
		g.mu.Unlock()
		<-free
		if n > 0 {
			if _, err := to.Write(part[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
