package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
)

// serveUpstream answers every GET as the orders service does with an order of 512 bytes,
// /.well-known/jwks.json as users does, and refuses every new order as orders does when there
// are too many.
func serveUpstream() error {
	body := []byte(`{"note":"` + strings.Repeat("x", 501) + `"}`)
	return listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			refuse(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/.well-known/jwks.json" {
			http.ServeFile(w, r, os.Getenv("JWKS")) //nolint:gosec // set by startSelf
			return
		}
		_, _ = w.Write(body) // an error means that the client has gone
	}))
}

// serveRefusals refuses every request with the least that net/http does for that.
func serveRefusals() error { return listen(http.HandlerFunc(refuse)) }

func refuse(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Content-Type"], h["Retry-After"] = []string{"application/problem+json"}, []string{"1"}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"code":"orders_overloaded"}`)) // an error means that the client has gone
}

// serveReverseProxy is the proxy that one gets from the standard library in a few lines.
// It neither routes nor verifies tokens, and has no limits, breaker, log or metrics. A
// pool for the buffers into which it copies bodies is the first thing that one adds: without
// it every response costs 32 KiB of garbage.
func serveReverseProxy(to string, pool httputil.BufferPool) error {
	target, err := url.Parse(to)
	if err != nil {
		return err
	}
	return listen(&httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		BufferPool: pool,
	})
}

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return make([]byte, 32<<10) }}}
}

func listen(h http.Handler) error {
	return http.ListenAndServe(os.Getenv("LISTEN"), h) //nolint:gosec // only the bench reaches it
}

type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte  { return b.Pool.Get().([]byte) }
func (b *buffers) Put(p []byte) { b.Pool.Put(p) } //nolint:staticcheck // as everybody does with this interface
