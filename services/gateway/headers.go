package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/services/gateway/internal/sanitize"
	"troupe/services/gateway/internal/stream"
)

// edge is what the gateway knows about the way from its clients to it.
type edge struct {
	edgeSettings
	trust   sanitize.Trust
	now     func() time.Time
	hsts    []string         // the value of Strict-Transport-Security
	streams *stream.Registry // WebSockets and event streams
	warned  atomic.Int64     // when it last warned of an overlooked client, in Unix seconds
}

type edgeSettings struct {
	// Addresses of proxies that report the client's address, for example 10.0.0.0/8.
	TrustedProxies []netip.Prefix `env:"GATEWAY_TRUSTED_PROXIES"`
	// The headers in which the trusted proxies report: x-forwarded (X-Forwarded-For, -Proto, -Host, -Port) or forwarded (RFC 7239). The others are ignored, because a proxy passes on what the client wrote in them.
	ProxyHeaders string `env:"GATEWAY_PROXY_HEADERS" envDefault:"x-forwarded"`
	// Origins of the web pages that may call from a browser, for example https://shop.example.
	CORSOrigins []string `env:"GATEWAY_CORS_ORIGINS"`

	// How long a browser that has come by HTTPS must not use HTTP (Strict-Transport-Security). 0 leaves it to the browser.
	HSTS time.Duration `env:"GATEWAY_HSTS" envDefault:"8760h"`

	Streams           int `env:"GATEWAY_STREAMS" envDefault:"1024"`           // the most WebSockets and event streams at a time
	StreamsPerAddress int `env:"GATEWAY_STREAMS_PER_ADDRESS" envDefault:"64"` // the most of them from one client address
}

func (e *edge) readSettings(env app.Env) error {
	if err := env.Settings(&e.edgeSettings); err != nil {
		return err
	}
	e.now = env.Now
	e.hsts = []string{"max-age=" + strconv.FormatInt(int64(e.HSTS/time.Second), 10)}
	e.trust = sanitize.Trust{Proxies: e.TrustedProxies, Dialect: sanitize.Dialect(e.ProxyHeaders)}
	if e.trust.Dialect != sanitize.XForwarded && e.trust.Dialect != sanitize.Forwarded {
		return fmt.Errorf("GATEWAY_PROXY_HEADERS is %q: set it to x-forwarded or forwarded", e.ProxyHeaders)
	}
	for name, n := range map[string]int{"GATEWAY_STREAMS": e.Streams, "GATEWAY_STREAMS_PER_ADDRESS": e.StreamsPerAddress} {
		if n <= 0 {
			return fmt.Errorf("%s is %d: it must be positive, for example 64", name, n)
		}
	}
	e.streams = stream.NewRegistry(e.Streams, e.StreamsPerAddress)
	env.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "troupe_gateway_streams", Help: "WebSockets and event streams that are open.",
	}, func() float64 { return float64(e.streams.Count()) }))
	return checkOrigins(e.CORSOrigins)
}

// setHSTS demands HTTPS of a browser that has come by it (RFC 6797, section 7.2). A
// service's own header replaces it.
func (e *edge) setHSTS(h http.Header, proto string) {
	if proto == "https" && e.HSTS > 0 {
		h["Strict-Transport-Security"] = e.hsts
	}
}

const warnEvery = 60 // seconds

// warnOfOverlookedClient warns, at most once a minute, that the settings may not fit the
// proxy in front of the gateway: then all clients share one address, and its limits.
func (g *gateway) warnOfOverlookedClient(r *http.Request) {
	sentence := g.trust.Overlooked(r)
	if sentence == "" {
		return
	}
	now, last := g.now().Unix(), g.warned.Load()
	if now-last >= warnEvery && g.warned.CompareAndSwap(last, now) {
		g.log.LogAttrs(r.Context(), slog.LevelWarn, sentence, slog.String("peer", r.RemoteAddr))
	}
}
