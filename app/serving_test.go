package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/httpapi"
)

// dial connects to a service.
func dial(t testing.TB, serviceURL string) net.Conn {
	t.Helper()
	u, err := url.Parse(serviceURL)
	require.NoError(t, err)
	c, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// newClient returns a client with connections of its own.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestNobodyHoldsAConnectionOfAService(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	c.Environ["TROUPE_SLOW_CLIENT"] = "50ms"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	for _, request := range []string{"POST /nothing", "GET /dead-letters", "GET /health", "POST //x", "PUT /readyz"} {
		conn := dial(t, s.URL("payments"))
		_, err := io.WriteString(conn, request+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn) // until the service closes the connection
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 ", request)
	}
	require.NoError(t, s.Stop())
}

func TestTheLimitsOfConnectionsAreSettings(t *testing.T) {
	t.Parallel()
	proxied := Service{Name: "orders", Build: func(Env) (Components, error) {
		return Components{
			Routes:  func(*httpapi.API) {},
			Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		}, nil
	}}
	c := config(t, proxied)
	c.Environ["TROUPE_MAX_CONNECTIONS"] = "1"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	first, second := newClient(t), newClient(t)
	get := func(client *http.Client) (string, error) {
		answer, err := client.Get(s.URL("orders") + "/metrics")
		if err != nil {
			return "", err
		}
		defer func() { require.NoError(t, answer.Body.Close()) }()
		metrics, err := io.ReadAll(answer.Body)
		return string(metrics), err
	}
	_, err = get(first)
	require.NoError(t, err)
	_, err = get(second)
	require.Error(t, err, "there is one connection already")
	metrics, err := get(first)
	require.NoError(t, err)
	require.Contains(t, metrics, `troupe_http_refused_connections_total{limit="all"} 1`)
	require.NoError(t, s.Stop())
}

func TestASettingThatMustBePositiveStopsTheStart(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"TROUPE_MAX_CONNECTIONS":            "TROUPE_MAX_CONNECTIONS is 0: it must be positive, for example 10000",
		"TROUPE_MAX_CONNECTIONS_PER_CLIENT": "TROUPE_MAX_CONNECTIONS_PER_CLIENT is 0: it must be positive, for example 1000",
		"TROUPE_MIN_RATE":                   "TROUPE_MIN_RATE is 0: it must be positive, for example 1024",
		"TROUPE_SLOW_CLIENT":                "TROUPE_SLOW_CLIENT is 0s: it must be positive, for example 10s",
	} {
		c := config(t)
		c.Environ[setting] = "0"
		_, err := Start(t.Context(), c)
		require.EqualError(t, err, want)
	}
}

func TestMetricsAndDocumentsCanBeClosed(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	var metrics string
	c.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		l, err := (&net.ListenConfig{}).Listen(ctx, network, "127.0.0.1:0")
		if err == nil && address == "metrics:9100" {
			metrics = "http://" + l.Addr().String()
		}
		return l, err
	}
	c.Environ["PAYMENTS_METRICS_LISTEN"], c.Environ["PAYMENTS_DOCS"] = "metrics:9100", "false"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	for _, path := range []string{"/metrics", "/docs", "/docs/", "/docs/docs.js", "/openapi.json", "/"} {
		require.Equal(t, http.StatusNotFound, statusOf(t, s.URL("payments")+path), path)
	}
	require.Contains(t, requireOK(t, metrics+"/metrics"), "troupe_http_connections ")
	require.Equal(t, http.StatusNotFound, statusOf(t, metrics+"/readyz"))
	require.NoError(t, s.Stop())
}

func TestAnUnreadableSettingOfTheDocumentsStopsTheStart(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	c := config(t, consumer(t, &handled))
	c.Environ["PAYMENTS_DOCS"] = "no, thanks"
	_, err := Start(t.Context(), c)
	require.EqualError(t, err, `PAYMENTS_DOCS is "no, thanks": it must be true or false`)
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
