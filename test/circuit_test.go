package test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// shopServer is a server behind the gateway that can fail in several ways.
type shopServer struct {
	address string
	server  atomic.Pointer[http.Server]
	behave  atomic.Pointer[http.HandlerFunc]
	calls   atomic.Int64
}

func newShopServer(t *testing.T) *shopServer {
	t.Helper()
	p := &shopServer{}
	p.work(t)
	t.Cleanup(p.close)
	return p
}

// How long the slow server takes, and what the gateway has for it: see settingsFor.
const (
	slowResponse = 600 * time.Millisecond
	slowTry      = 400 * time.Millisecond
	tryTimeout   = time.Second
)

// work answers every request, and opens the port if it is closed.
func (p *shopServer) work(t *testing.T) {
	t.Helper()
	p.act(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("well")) })
	if p.server.Load() != nil {
		return
	}
	address := p.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	p.address = l.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		(*p.behave.Load())(w, r)
	})}
	p.server.Store(server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
}

func (p *shopServer) act(h http.HandlerFunc) { p.behave.Store(&h) }

// close closes the port and all connections.
func (p *shopServer) close() {
	if server := p.server.Swap(nil); server != nil {
		_ = server.Close()
	}
}

// hang takes requests and never answers.
func (p *shopServer) hang() {
	p.act(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// slow answers too late to be of use, but does answer.
func (p *shopServer) slow() {
	p.act(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(slowResponse):
			_, _ = w.Write([]byte("slow"))
		case <-r.Context().Done():
		}
	})
}

// flap answers and fails by turns.
func (p *shopServer) flap() {
	var n atomic.Int64
	p.act(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// settingsFor returns the settings of a gateway that forwards /shop to p.
func settingsFor(t *testing.T, p *shopServer, recovery string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "extends: default\nroutes:\n  - {path: /shop, methods: [GET], upstream: shop, access: public}\n" +
		"upstreams:\n  shop: {targets: [\"http://" + p.address + "\"], try_timeout: " + tryTimeout.String() +
		", slow_try: " + slowTry.String() + ", recovery: " + recovery + "}\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return []string{"GATEWAY_CONFIG=" + file}
}

// Each kind of failure takes the circuit through each of its transitions, on real ports.
func TestEveryKindOfFailureTakesTheCircuitThroughEveryTransition(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*shopServer){
		"dead": (*shopServer).close, "hanging": (*shopServer).hang, "slow": (*shopServer).slow, "flapping": (*shopServer).flap,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newShopServer(t)
			s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: settingsFor(t, p, "200ms")})
			require.Equal(t, 200, s.shop(t).status)
			require.Equal(t, "CLOSED", s.circuit(t, "shop"))

			fail(p)
			s.awaitTransition(t, "OPEN", "1") // from CLOSED
			s.awaitRefusal(t)
			s.awaitTransition(t, "HALF_OPEN", "1") // from OPEN
			s.awaitTransition(t, "OPEN", "2")      // from HALF_OPEN: a probe has failed
			require.Empty(t, s.metric(t, transitionsTo("CLOSED")), "it has not closed in between")
			require.Equal(t, 200, s.send(t, rawRequest{method: "GET", path: "/products"}).status, "no other service is affected")

			p.work(t)
			s.awaitTransition(t, "CLOSED", "1") // from HALF_OPEN
			require.Equal(t, 200, s.shop(t).status)
			require.Equal(t, "CLOSED", s.circuit(t, "shop"))
		})
	}
}

func TestAnOpenCircuitSparesTheService(t *testing.T) {
	t.Parallel()
	p := newShopServer(t)
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: settingsFor(t, p, "1h")})
	require.Equal(t, 200, s.shop(t).status)
	p.act(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	s.awaitTransition(t, "OPEN", "1")
	before := p.calls.Load()
	for range 100 {
		require.Equal(t, "circuit_open", s.shop(t).code)
	}
	require.Equal(t, before, p.calls.Load(), "nothing reaches it")
}

func (s *system) shop(t *testing.T) rawResponse {
	t.Helper()
	return s.send(t, rawRequest{method: "GET", path: "/shop"})
}

func transitionsTo(state string) string {
	return `troupe_gateway_breaker_transitions_total{to="` + state + `",upstream="shop"}`
}

// awaitTransition sends requests, ten at a time, until the circuit has changed to a state
// so many times.
func (s *system) awaitTransition(t *testing.T, to, times string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { s.shop(t) })
		}
		all.Wait()
		have := s.metric(t, transitionsTo(to))
		return len(have) > len(times) || len(have) == len(times) && have >= times
	}, timeout, pollInterval, "the circuit does not change to %s", to)
}

// awaitRefusal sends requests until the open circuit refuses one. Others are probes.
func (s *system) awaitRefusal(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		r := s.shop(t)
		if r.code != "circuit_open" {
			return false
		}
		require.Equal(t, 503, r.status)
		require.NotEmpty(t, r.header.Get("Retry-After"))
		return true
	}, timeout, pollInterval, "the circuit refuses nothing")
}
