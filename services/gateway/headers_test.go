package gateway_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/services/gateway"
)

func TestAnUnknownProxyIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	const warning = "add its address to GATEWAY_TRUSTED_PROXIES"
	w.call(t, auth.User, "GET", "/orders", "")
	require.Zero(t, w.log.count(warning), "nothing is reported")
	for range 5 {
		w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-For", "1.2.3.4")
		w.call(t, auth.User, "GET", "/orders", "", "Forwarded", "for=1.2.3.4")
	}
	require.Equal(t, 1, w.log.count(warning))
	w.clock.advance(time.Minute)
	w.call(t, auth.User, "GET", "/orders", "", "Forwarded", "for=1.2.3.4")
	require.Equal(t, 2, w.log.count(warning))
}

func TestATrustedProxyThatUsesTheOtherHeadersIsLogged(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8", "GATEWAY_PROXY_HEADERS": "forwarded"})
	h := w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-For", "6.6.6.6", "Forwarded", `for="[2001:db8::1]:443";proto=https`).received(t)
	require.Equal(t, "2001:db8::1", h.Header.Get("X-Forwarded-For"), "the client wrote the other one")
	require.Equal(t, "https", h.Header.Get("X-Forwarded-Proto"))
	require.Zero(t, w.log.count("GATEWAY_PROXY_HEADERS"))
	h = w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-For", "6.6.6.6").received(t)
	require.Equal(t, "127.0.0.1", h.Header.Get("X-Forwarded-For"))
	require.Equal(t, 1, w.log.count("change GATEWAY_PROXY_HEADERS"))
}

func TestABrowserThatCameByHTTPSMustNotUseHTTP(t *testing.T) {
	t.Parallel()
	const name = "Strict-Transport-Security"
	behindProxy := map[string]string{"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"}
	w := start(t, behindProxy)
	for _, path := range []string{"/orders", "/nowhere", "/openapi.json", "/health"} {
		require.Empty(t, w.call(t, auth.User, "GET", path, "").Header[name], "by HTTP a browser ignores it")
		require.Equal(t, []string{"max-age=31536000"}, w.call(t, auth.User, "GET", path, "", "X-Forwarded-Proto", "https").Header[name], path)
	}
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set(name, "max-age=1")
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("Content-Security-Policy", "default-src 'none'")
	})
	r := w.call(t, auth.User, "GET", "/orders", "", "X-Forwarded-Proto", "https")
	require.Equal(t, []string{"max-age=1"}, r.Header[name], "the service's own header is the only one")
	for _, once := range []string{"X-Content-Type-Options", "Cache-Control", "Content-Security-Policy"} {
		require.Len(t, r.Header[once], 1, once)
	}
	behindProxy["GATEWAY_HSTS"] = "0s"
	require.Empty(t, start(t, behindProxy).call(t, auth.User, "GET", "/orders", "", "X-Forwarded-Proto", "https").Header[name])
}

func TestAnOriginThatNoBrowserSendsStopsTheStart(t *testing.T) {
	t.Parallel()
	begin := func(setting, value string) error {
		peers := map[string]string{}
		for _, name := range names {
			peers[name] = "http://127.0.0.1:1"
		}
		_, err := app.NewInstance(gateway.Service, app.Dependencies{
			Environ: map[string]string{setting: value}, JWKS: []byte(`{"keys":[]}`), Peers: peers,
			Transport: http.DefaultTransport, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		return err
	}
	for _, origin := range []string{
		"*", "shop.example", "https://shop.example/", "https://shop.example/path", "https://*.example", "HTTPS://shop.example",
		"https://Shop.example", "https://shop.example:443", "http://shop.example:80", "https://", "//shop.example", "https://a b", "null",
		"https://user@shop.example", "https://shop.example?a", "https://ok.example,foo",
	} {
		require.ErrorContains(t, begin("GATEWAY_CORS_ORIGINS", origin), "GATEWAY_CORS_ORIGINS", origin)
	}
	for _, origin := range []string{"https://shop.example", "http://localhost:5173", "https://[2001:db8::1]:8443", "chrome-extension://abcdef", "http://a,https://b"} {
		require.NoError(t, begin("GATEWAY_CORS_ORIGINS", origin), origin)
	}
	require.ErrorContains(t, begin("GATEWAY_PROXY_HEADERS", "x-real-ip"), "GATEWAY_PROXY_HEADERS")
}
