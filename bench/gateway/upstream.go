package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
)

// serveUpstream answers every request as the orders service does with an order of 512
// bytes, and /.well-known/jwks.json as users does.
func serveUpstream() error {
	body := []byte(`{"note":"` + strings.Repeat("x", 501) + `"}`)
	return listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/.well-known/jwks.json" {
			http.ServeFile(w, r, os.Getenv("JWKS")) //nolint:gosec // set by startSelf
			return
		}
		_, _ = w.Write(body) // an error means that the client has gone
	}))
}

// serveReverseProxy is the proxy that one gets from the standard library in a few lines.
// It neither routes nor verifies tokens, and has no limits, breaker, log or metrics.
func serveReverseProxy(to string) error {
	target, err := url.Parse(to)
	if err != nil {
		return err
	}
	return listen(&httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		BufferPool: &buffers{sync.Pool{New: func() any { return make([]byte, 32<<10) }}},
	})
}

func listen(h http.Handler) error {
	return http.ListenAndServe(os.Getenv("LISTEN"), h) //nolint:gosec // only the bench reaches it
}

type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte  { return b.Pool.Get().([]byte) }
func (b *buffers) Put(p []byte) { b.Pool.Put(p) } //nolint:staticcheck // as everybody does with this interface
