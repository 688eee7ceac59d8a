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

// Proxy stands between a bus and its server, and can fail as a network does.
type Proxy struct {
	URL string // the server's, through the proxy

	address, target string
	mu              sync.Mutex
	listener        net.Listener
	up              *gate // from the bus to the server
	pairs           map[*pair]struct{}
	wait            sync.WaitGroup
}

// pair is a connection through the proxy.
type pair struct{ inside, outside net.Conn }

func (p *pair) close() {
	_ = p.inside.Close() // it is over either way
	_ = p.outside.Close()
}

// NewProxy starts a proxy to the server of a URL.
func NewProxy(t testing.TB, raw string) *Proxy {
	t.Helper()
	p := &Proxy{address: "127.0.0.1:0", up: newGate(), pairs: map[*pair]struct{}{}}
	At(t, raw, func(u *url.URL) { p.target = u.Host })
	p.Restore(t)
	p.URL = At(t, raw, func(u *url.URL) { u.Host = p.address })
	t.Cleanup(p.Down)
	return p
}

// Restore lets connections come in, after Down.
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
		p.join(&pair{inside, outside})
	}
}

func (p *Proxy) join(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		c.close()
		return
	}
	p.pairs[c] = struct{}{}
	up := p.up
	var both sync.WaitGroup
	both.Go(func() { defer c.close(); up.copy(c.outside, c.inside) })
	both.Go(func() { defer c.close(); _, _ = io.Copy(c.inside, c.outside) })
	p.wait.Go(func() {
		both.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, c)
	})
}

// Cut ends all connections; new ones are let through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.close()
	}
}

// Down ends all connections and refuses new ones.
func (p *Proxy) Down() {
	p.Resume()
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close() // it is over either way
		p.listener = nil
	}
	for c := range p.pairs {
		c.close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

// Stall holds back what goes to the server, as a server that does not read: what
// comes from it, heartbeats too, still arrives.
func (p *Proxy) Stall() { p.up.shut() }

// Resume lets it go.
func (p *Proxy) Resume() { p.up.open() }

// Connections is how many there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
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
